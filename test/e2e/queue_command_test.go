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
	g, marks := serveFive(t, next)
	actOnFive(t, g, marks)
	g.stop()
	actOnFive(t, g, marks)
	g.acts("1", "release", "--lane", "bulk")
	g.acts("1", "remove", "--to", "eve@near.test")
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

// serveFive starts a gateway and queues five messages, which wait: nothing
// answers at next. The marks are those of "sender recipient".
func serveFive(t *testing.T, next string) (g *gapura, marks map[string]string) {
	t.Helper()
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
	g = serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+queueYAML(next, "domains:\n  ours.test: {deliver: queue, backends: [\"smtp://"+next+"\"]}\npolicy: [p.yaml]\n"))
	marks = map[string]string{}
	for _, who := range []string{
		"ann@sender.test bob@far.test", "ann@sender.test eve@near.test", "joe@sender.test bob@far.test",
		"joe@sender.test mia@ours.test", "news@sender.test bob@far.test",
	} {
		l := newLetter()
		var to string
		l.from, to, _ = strings.Cut(who, " ")
		if r := dial(t, g.smtp).mail(l.from, to, l.String()); r.code != 250 {
			t.Fatal(r)
		}
		marks[who] = l.mark
	}
	eventually(t, "nothing to be tried", func() bool { return len(g.queued()) == 5 && len(g.queued("--state", "active")) == 0 })
	return g, marks
}

// actOnFive finds the messages of serveFive and acts on them; afterwards they
// are as they were.
func actOnFive(t *testing.T, g *gapura, marks map[string]string) {
	t.Helper()
	g.counts(5)
	g.counts(3, "--domain", "far.test")
	g.counts(1, "--route", "ours.test")
	g.counts(2, "--from", "joe@sender.test")
	g.counts(1, "--to", "eve@near.test")
	g.counts(1, "--lane", "bulk")
	g.counts(1, "--state", "held")
	g.counts(1, "--reason", "newsletter")
	held := g.queued("--state", "held")
	if held[0].Hold == "" {
		t.Errorf("%+v", held)
	}
	out, err := g.run("queue", "show", held[0].ID, "--message")
	if err != nil || !strings.Contains(out, marks["news@sender.test bob@far.test"]) {
		t.Errorf("show: %v: %s", err, out)
	}
	g.acts("2", "hold", "--from", "joe@sender.test", "--because", "a stolen password")
	g.counts(3, "--state", "held")
	g.counts(2, "--reason", "stolen")
	g.acts("2", "release", "--from", "joe@sender.test")
	g.counts(1, "--state", "held")
	g.acts("0", "remove", "--domain", "nobody.test")
	if out, err := g.run("queue", "remove"); err == nil {
		t.Errorf("everything is removed by mistake: %s", out)
	}
}

// counts checks how many messages of the queue have the keys.
func (g *gapura) counts(n int, keys ...string) {
	g.t.Helper()
	if list := g.queued(keys...); len(list) != n {
		g.t.Errorf("%q: %d, want %d: %+v", keys, len(list), n, list)
	}
}

// acts checks on how many messages a command of the queue acts; none is an
// error that says so.
func (g *gapura) acts(n string, args ...string) {
	g.t.Helper()
	out, err := g.run(append([]string{"queue"}, args...)...)
	if got, hint, _ := strings.Cut(out, "\n"); got != n || strings.Contains(hint, "no message in the queue fits") != (n == "0") || (err != nil) != (n == "0") {
		g.t.Errorf("%q: %v: %s, want %s", args, err, out, n)
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
