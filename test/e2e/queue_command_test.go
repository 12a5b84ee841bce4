package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestQueueCommands: messages that wait are listed, shown, held, released,
// tried and removed by any key, while the gateway runs and while it does not.
func TestQueueCommands(t *testing.T) {
	t.Parallel()
	next := nowhere(t)
	dir := folder(t)
	if _, err := write(dir, "p.yaml", `rules:
  - name: newsletter
    at: submission
    if: mail.from.startsWith("news@")
    lane: bulk
    hold: looks like a newsletter
`); err != nil {
		t.Fatal(err)
	}
	g := serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+queueYAML(next, "domains:\n  ours.test: {deliver: queue, backends: [\"smtp://"+next+"\"]}\npolicy: [p.yaml]\n"))
	marks := map[string]string{}
	send := func(from, to string) {
		l := newLetter()
		l.from = from
		if r := dial(t, g.smtp).mail(from, to, l.String()); r.code != 250 {
			t.Fatal(r)
		}
		marks[from+" "+to] = l.mark
	}
	send("ann@sender.test", "bob@far.test")
	send("ann@sender.test", "eve@near.test")
	send("joe@sender.test", "bob@far.test")
	send("joe@sender.test", "mia@ours.test")
	send("news@sender.test", "bob@far.test")
	eventually(t, "nothing to be tried", func() bool { return len(g.queued()) == 5 && len(g.queued("--state", "active")) == 0 })
	count := func(n int, keys ...string) {
		t.Helper()
		if list := g.queued(keys...); len(list) != n {
			t.Errorf("%q: %d, want %d: %+v", keys, len(list), n, list)
		}
	}
	act := func(n string, args ...string) {
		t.Helper()
		out, err := g.run(append([]string{"queue"}, args...)...)
		if got, hint, _ := strings.Cut(out, "\n"); got != n || strings.Contains(hint, "no message in the queue fits") != (n == "0") || (err != nil) != (n == "0") {
			t.Errorf("%q: %v: %s, want %s", args, err, out, n)
		}
	}
	for _, running := range []bool{true, false} {
		if !running {
			g.stop()
		}
		count(5)
		count(3, "--domain", "far.test")
		count(1, "--route", "ours.test")
		count(2, "--from", "joe@sender.test")
		count(1, "--to", "eve@near.test")
		count(1, "--lane", "bulk")
		count(1, "--state", "held")
		count(1, "--reason", "newsletter")
		held := g.queued("--state", "held")
		if held[0].Hold == "" {
			t.Errorf("%+v", held)
		}
		out, err := g.run("queue", "show", held[0].ID, "--message")
		if err != nil || !strings.Contains(out, marks["news@sender.test bob@far.test"]) {
			t.Errorf("show: %v: %s", err, out)
		}
		act("2", "hold", "--from", "joe@sender.test", "--because", "a stolen password")
		count(3, "--state", "held")
		count(2, "--reason", "stolen")
		act("2", "release", "--from", "joe@sender.test")
		count(1, "--state", "held")
		act("0", "remove", "--domain", "nobody.test")
		if out, err := g.run("queue", "remove"); err == nil {
			t.Errorf("everything is removed by mistake: %s", out)
		}
	}
	act("1", "release", "--lane", "bulk")
	act("1", "remove", "--to", "eve@near.test")
	sink := startBackendAt(t, next, nil)
	g.start()
	g.run("queue", "retry", "--all")
	eventually(t, "the queue to be empty", func() bool { return len(g.queued()) == 0 })
	for who, mark := range marks {
		want := 1
		if strings.HasSuffix(who, "eve@near.test") {
			want = 0
		}
		if n := len(sink.find(mark)); n != want {
			t.Errorf("%s: %d copies, want %d", who, n, want)
		}
	}
}

// TestRefusedForGoodIsNotWrittenToAgain: after two hard bounces the address
// is suppressed, and users are told so at once; an administrator may lift it.
func TestRefusedForGoodIsNotWrittenToAgain(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1h]", "", "")
	far := s.o.take(t)
	sink := startBackendAt(t, far.addr, nil)
	sink.set(func(string) error { return says(550, [3]int{5, 1, 1}, "No such user") }, nil)
	var l letter
	for range 2 {
		l = newLetter()
		l.plainly = true
		if r := s.login(t).mail(annAddress, "gone@"+far.name, l.String()); r.code != 250 {
			t.Fatal(r)
		}
		s.notified(t, l.mark, 1)
	}
	c := s.login(t)
	c.ok(250, "MAIL FROM:<"+annAddress+">")
	if r := c.cmd("RCPT TO:<gone@" + far.name + ">"); r.code != 550 || !strings.Contains(r.text, "suppress remove") {
		t.Errorf("written to again: %s", r)
	}
	c.ok(250, "RCPT TO:<here@"+far.name+">")
	out, err := s.run("suppress", "list")
	if err != nil || !strings.Contains(out, "gone@"+far.name) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := s.run("suppress", "remove", "gone@"+far.name); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	sink.set(nil, nil)
	eventually(t, "the address to be free", func() bool {
		return s.login(t).mail(annAddress, "gone@"+far.name, l.String()).code == 250
	})
	eventually(t, "arrival", func() bool { return len(sink.find(l.mark)) == 1 })
}
