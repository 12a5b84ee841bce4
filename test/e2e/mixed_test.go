package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestKilledInAMixedTransaction: one message goes to a server in session, into
// the queue for a domain of ours, and into the queue for the world. Whenever
// the gateway dies, nothing is sent that was not promised, but for what the
// server in session had already taken; and when the client has tried again,
// everybody has the message.
func TestKilledInAMixedTransaction(t *testing.T) {
	t.Parallel()
	const size = 300 << 10
	offer := func(c *client) {
		c.ok(250, "MAIL FROM:<ann@sender.test>")
		for _, to := range []string{"a@now.test", "b@later.test", "c@world.test"} {
			c.ok(250, "RCPT TO:<"+to+">")
		}
		c.ok(354, "DATA")
	}
	for _, c := range []struct {
		name   string
		behind bool // held up behind the gateway, not before it
		hold   func(up bool, sent int64, chunk []byte) bool
		proxy  int  // copies in session, after the client has tried again
		sworn  bool // all had been promised before
	}{
		{"in the middle of DATA", false, func(up bool, sent int64, _ []byte) bool { return up && sent > size/2 }, 1, false},
		{"during the hand-over", true, func(up bool, sent int64, _ []byte) bool { return up && sent > size/2 }, 1, false},
		{"before the server's reply", true, func(up bool, sent int64, chunk []byte) bool {
			return !up && sent > size && bytes.HasPrefix(chunk, []byte("250"))
		}, 2, false},
		{"before our reply", false, func(up bool, sent int64, chunk []byte) bool {
			return !up && sent > size && bytes.HasPrefix(chunk, []byte("250"))
		}, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// go-smtp takes a BDAT that ends in the middle for whole.
			inSession, later, world := &badTLS{}, &badTLS{}, &badTLS{}
			now, then, away := nowhere(t), nowhere(t), nowhere(t)
			scripted(t, now, inSession.serve)
			scripted(t, then, later.serve)
			scripted(t, away, world.serve)
			behind := startRelay(t, func() string { return now })
			g := serve(t, queueYAML(away, fmt.Sprintf("domains:\n  now.test: {deliver: proxy, backends: [\"smtp://%s\"]}\n  later.test: {deliver: queue, backends: [\"smtp://%s\"]}\n", behind.addr, then)))
			front := startRelay(t, func() string { return g.smtp })
			l := newLetter()
			l.body = strings.Repeat("More text.\r\n", size/12)
			held := front.holdWhen(c.hold)
			if c.behind {
				front.holdWhen(nil)
				held = behind.holdWhen(c.hold)
			}
			go func() { // gets no answer
				x := dial(t, front.addr)
				offer(x)
				x.send(stuffed(l.String()) + ".\r\n")
			}()
			select {
			case <-held:
			case <-time.After(patience):
				t.Fatal("nothing is held up")
			}
			g.kill()
			g.start()
			if c.sworn {
				eventually(t, "arrival of what was promised", func() bool { return len(later.find(l.mark)) > 0 && len(world.find(l.mark)) > 0 })
			}
			x := dial(t, g.smtp)
			offer(x)
			x.send(stuffed(l.String()) + ".\r\n")
			x.want(250)
			eventually(t, "the queue to be empty", func() bool { return len(g.queued()) == 0 })
			if n := len(inSession.find(l.mark)); n != c.proxy {
				t.Errorf("%d copies in session, want %d", n, c.proxy)
			}
			all := inSession.find(l.mark)
			for _, b := range []*badTLS{later, world} {
				got := b.find(l.mark)
				all = append(all, got...)
				// Of what was promised, one may have gone just before the kill.
				if n := len(got); !c.sworn && n != 1 || c.sworn && (n < 2 || n > 3) {
					t.Errorf("%d copies by the queue", n)
				}
			}
			for _, m := range all {
				if !strings.HasSuffix(m, l.String()) {
					t.Error("a copy is not whole")
				}
			}
		})
	}
}
