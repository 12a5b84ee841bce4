package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKilledGatewayLosesNothing: whenever the gateway dies, the sender's
// Postfix tries again, and the message arrives whole: once, or twice if the
// backend had taken it already.
func TestKilledGatewayLosesNothing(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	for _, c := range []struct {
		name   string
		behind bool // the relay that holds is behind the gateway
		hold   func(up bool, sent int64, chunk []byte) bool
		copies int
	}{
		{"in the middle of DATA", false, func(up bool, sent int64, _ []byte) bool { return up && sent > size/2 }, 1},
		{"during the hand-over", true, func(up bool, sent int64, _ []byte) bool { return up && sent > size/2 }, 1},
		{"before the backend's reply", true, func(up bool, sent int64, chunk []byte) bool {
			return !up && sent > size && bytes.HasPrefix(chunk, []byte("250"))
		}, 2},
		{"before our reply", false, func(up bool, sent int64, chunk []byte) bool {
			return !up && sent > size && bytes.HasPrefix(chunk, []byte("250"))
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := theWorld(t)
			behind := startRelay(t, func() string { return w.dest.addr })
			g := serve(t, domainsYAML("", fmt.Sprintf("%q", "lmtp://"+behind.addr)))
			front := startRelay(t, func() string { return g.smtp })
			a := sendingPostfix(t, front.addr, "")
			held := front.holdWhen(c.hold)
			if c.behind {
				front.holdWhen(nil)
				held = behind.holdWhen(c.hold)
			}
			l := newLetter()
			l.body = filler(size)
			msg := w.signed(t, l)
			if r := dial(t, a.addr).mail("ann@sender.test", "alice@dest.test", msg); r.code != 250 {
				t.Fatal(r)
			}
			<-held
			g.kill()
			leftovers(t, g)
			g.start()
			a.flush(t)
			eventually(t, "the queue of the sender to be empty", func() bool { return a.queued() == 0 })
			got := w.dest.find("alice@dest.test", l.mark)
			if len(got) != c.copies {
				t.Errorf("%d copies, want %d", len(got), c.copies)
			}
			for _, m := range got {
				arrivedWhole(t, m, msg)
			}
		})
	}
}

// leftovers checks that a killed gateway leaves no spool files.
func leftovers(t *testing.T, g *gapura) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(g.dir, "data", "spool", "*"))
	if len(files) > 0 {
		t.Errorf("left in the spool: %v", files)
	}
}

// TestGatewayKilledAgainAndAgain while many messages come: each arrives, and
// arrives whole.
func TestGatewayKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	front := startRelay(t, func() string { return g.smtp })
	a := sendingPostfix(t, front.addr, "")
	const messages, kills = 40, 4
	sent := map[string]string{}
	c := dial(t, a.addr)
	for i := range messages {
		l := newLetter()
		l.body = filler(20_000)
		msg := w.signed(t, l)
		sent[l.mark] = msg
		if r := c.mail("ann@sender.test", "bob@dest.test", msg); r.code != 250 {
			t.Fatal(r)
		}
		if i%(messages/kills) == messages/kills-1 {
			n := strings.Count(a.output(0), "status=sent")
			eventually(t, "messages to flow", func() bool { return strings.Count(a.output(0), "status=sent") > n || a.queued() == 0 })
			g.kill()
			g.start()
		}
	}
	a.flush(t)
	eventually(t, "the queue of the sender to be empty", func() bool {
		a.flush(t)
		return a.queued() == 0
	})
	twice := 0
	for mark, msg := range sent {
		got := w.dest.find("bob@dest.test", mark)
		if len(got) == 0 {
			t.Errorf("%s is lost", mark)
		}
		twice += max(0, len(got)-1)
		for _, m := range got {
			arrivedWhole(t, m, msg)
		}
	}
	t.Logf("%d messages, %d kills, %d arrived twice", messages, kills, twice)
	if _, err := os.Stat(filepath.Join(g.dir, "data", "control.sock")); err != nil {
		t.Error(err)
	}
}
