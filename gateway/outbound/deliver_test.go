package outbound

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// one is a destination with one exchanger at 192.0.2.1.
func one() Zone {
	return Zone{"d.test": {MX(10, "mx.d.test")}, "mx.d.test": {A("192.0.2.1")}}
}

func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{ext: []string{"PIPELINING", "DSN"}}
		w.hosts["192.0.2.1"] = s.serve
		tr := w.transport()
		for range 3 {
			wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "delivered 250 2.0.0 mx.d.test 192.0.2.1")
		}
		if len(s.taken()) != 3 || s.opened() != 1 {
			t.Errorf("%d messages over %d connections", len(s.taken()), s.opened())
		}
		if m := s.taken()[0]; m.from != "FROM:<a@from.test>" || m.rcpts != "TO:<b@d.test>" || m.text != text {
			t.Errorf("%+v", m)
		}
		// It is closed when it has rested too long.
		time.Sleep(10 * time.Second)
		synctest.Wait()
		tr.Deliver(t.Context(), job("b@d.test"))
		if s.opened() != 2 {
			t.Errorf("%d connections", s.opened())
		}
	})
}

// A kept connection that the server ends is replaced without a word.
func TestDeadConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{"closes": "!", "421": "421 4.4.2 idle!", "nonsense": "hello?!"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, s := newWorld(t, one()), &sink{ext: []string{"PIPELINING"}, replies: map[string]string{}}
				w.hosts["192.0.2.1"] = s.serve
				tr := w.transport()
				tr.Deliver(t.Context(), job("b@d.test"))
				s.set("MAIL FROM:<again@from.test>", end)
				j := job("b@d.test")
				j.From.Local = "again"
				w.hosts["192.0.2.1"] = (&sink{}).serve
				wantOutcome(t, tr.Deliver(t.Context(), j), "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1")
			})
		})
	}
}

// Every recipient hears what is about it.
func TestRepliesAreEachRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.hosts["192.0.2.1"] = (&sink{ext: []string{"PIPELINING", "DSN"}, replies: map[string]string{
			"RCPT TO:<no@d.test>": "550 no such user", "RCPT TO:<later@d.test>": "450 4.2.2 full",
		}}).serve
		wantOutcome(t, w.transport().Deliver(t.Context(), job("yes@d.test", "no@d.test", "later@d.test")),
			"delivered 250 2.0.0 mx.d.test 192.0.2.1; failed 550 5.1.1 mx.d.test 192.0.2.1; deferred 450 4.2.2 mx.d.test 192.0.2.1")
	})
}

// Recipients who are too many for one transaction go in the next.
func TestTooManyRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{ext: []string{"PIPELINING", "LIMITS RCPTMAX=2"}}
		w.hosts["192.0.2.1"] = s.serve
		out := w.transport().Deliver(t.Context(), job("a@d.test", "b@d.test", "c@d.test", "d@d.test", "e@d.test"))
		if strings.Count(shows(out), "delivered") != 5 || len(s.taken()) != 3 || s.opened() != 1 {
			t.Errorf("%s: %d transactions, %d connections", shows(out), len(s.taken()), s.opened())
		}
	})
}

// With 552 old servers say that there are too many recipients (RFC 5321 section
// 4.5.3.1.10), others that a mailbox is full: where it does not say which, the
// recipient is asked about alone.
func TestOldWordForTooManyRecipients(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]struct {
		outcome string
		asked   int
	}{
		"552 Too many recipients":       {"deferred 452 4.5.3", 2},
		"552 5.5.3 enough":              {"deferred 452 4.5.3", 2},
		"552 storage exceeded":          {"failed 552 5.2.2", 2},
		"552 5.2.2 the mailbox is full": {"failed 552 5.2.2", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			const rcpt, ok = "RCPT TO:<b@d.test>", "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1"
			w, s := newWorld(t, one()), &sink{ext: []string{"PIPELINING"}, replies: map[string]string{rcpt: reply}}
			w.hosts["192.0.2.1"] = s.serve
			wantOutcome(t, w.transport().Deliver(t.Context(), job("a@d.test", "b@d.test")), ok+"; "+want.outcome+" mx.d.test 192.0.2.1")
			asked := 0
			for _, l := range s.lines {
				if l == rcpt {
					asked++
				}
			}
			if asked != want.asked || len(s.taken()) != 1 {
				t.Errorf("%s: asked %d times, %d messages", reply, asked, len(s.taken()))
			}
		})
	}
}

// An address that did not answer is passed over for a while.
func TestDeadAddressIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.hosts["192.0.2.1"] = nil // hangs
		tr, start := w.transport(), time.Now()
		out := tr.Deliver(t.Context(), job("b@d.test"))
		wantOutcome(t, out, "deferred 451 4.4.1 local dest mx.d.test 192.0.2.1")
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("it took %s", d)
		}
		out = tr.Deliver(t.Context(), job("b@d.test"))
		if time.Since(start) != 30*time.Second || out[0].Retry != deadTime || w.dialled() != "192.0.2.1" {
			t.Errorf("%s: retry after %s", shows(out), out[0].Retry)
		}
		time.Sleep(deadTime)
		tr.Deliver(t.Context(), job("b@d.test"))
		tr.deps.State.Forget() // an administrator wants it tried
		w.hosts["192.0.2.1"] = (&sink{}).serve
		wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1")
	})
}

// More messages than connections may be open: some wait shortly, none for long.
func TestDeliverDoesNotWaitLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.hosts["192.0.2.1"] = (&sink{replies: map[string]string{"DATA": ""}}).serve // hangs
		tr := w.transport()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan string, 100)
		for i := range 100 {
			go func() {
				start := time.Now()
				out := tr.Deliver(ctx, job(fmt.Sprintf("b%d@d.test", i)))
				if time.Since(start) <= waitTime {
					got <- shows(out)
				}
			}()
		}
		time.Sleep(waitTime + time.Second)
		if len(got) != 80 {
			t.Errorf("%d came back", len(got))
		}
		for range len(got) {
			if o := <-got; o != "deferred 451 4.4.5 local dest mx.d.test 192.0.2.1" {
				t.Fatal(o)
			}
		}
		cancel()
		synctest.Wait()
	})
}

func TestSizeIsComparedBeforeSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{ext: []string{"SIZE 10"}}
		w.hosts["192.0.2.1"] = s.serve
		wantOutcome(t, w.transport().Deliver(t.Context(), job("b@d.test")), "failed 552 5.3.4 local mx.d.test 192.0.2.1")
	})
}

// A message that was sent whole over a kept connection is not sent again at
// once when no reply comes.
func TestKeptConnectionInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{ext: []string{"PIPELINING"}, replies: map[string]string{"MAIL FROM:<x@from.test>": "250 ok"}}
		w.hosts["192.0.2.1"] = s.serve
		tr := w.transport()
		tr.Deliver(t.Context(), job("b@d.test"))
		s.set("END", "!")
		wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "deferred 451 4.4.2 local mx.d.test 192.0.2.1")
		if s.opened() != 1 || !strings.Contains(w.log.String(), "possible duplicate") {
			t.Errorf("%d connections; %s", s.opened(), w.log)
		}
	})
}

// Octets injected behind STARTTLS are no reason for plaintext.
func TestInjectionIsNoReasonForPlaintext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.hosts["192.0.2.1"] = func(conn net.Conn) {
			lines(hi, "C EHLO", "S 250-x~250 STARTTLS~", "C STARTTLS", "S 220 go~250 injected~")(conn, bufio.NewReader(conn))
		}
		wantOutcome(t, w.transport().Deliver(t.Context(), job("b@d.test")), "deferred 451 4.7.5 local dest mx.d.test 192.0.2.1")
		if w.dialled() != "192.0.2.1" {
			t.Error(w.dialled())
		}
	})
}

// Idle connections are bounded, all destinations together; the oldest goes.
func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := Zone{}
		w, s := newWorld(t, z), &sink{}
		w.opt.Idle, w.opt.Connections = 3, 4
		for i := range 10 {
			d, a := fmt.Sprintf("d%d.test", i), fmt.Sprintf("192.0.2.%d", i+1)
			z[d] = append(z[d], A(a))
			w.hosts[a] = s.serve
		}
		tr := w.transport()
		for i := range 10 {
			if out := tr.Deliver(t.Context(), job(fmt.Sprintf("b@d%d.test", i))); out[0].Reply.Code != 250 {
				t.Fatal(shows(out))
			}
			if st := tr.Status(); st.Idle > 3 || st.Connections > 4 {
				t.Fatalf("%+v", st)
			}
		}
		synctest.Wait()
		st := tr.Status()
		if len(st.Sites) != 3 || st.Sites[0].Site != "d7.test" {
			t.Errorf("%+v", st)
		}
	})
}

// With all connections in use, one that rests elsewhere makes room.
func TestRestingConnectionMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := Zone{"d.test": {A("192.0.2.1")}, "e.test": {A("192.0.2.2")}}
		w := newWorld(t, z)
		w.opt.Connections = 1
		w.hosts["192.0.2.1"], w.hosts["192.0.2.2"] = (&sink{}).serve, (&sink{replies: map[string]string{"DATA": ""}}).serve
		tr := w.transport()
		tr.Deliver(t.Context(), job("b@d.test"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan string, 1)
		go func() { done <- shows(tr.Deliver(ctx, job("b@e.test"))) }()
		synctest.Wait()
		if st := tr.Status(); st.Connections != 1 || len(st.Sites) != 1 || st.Sites[0].Site != "e.test" {
			t.Errorf("%+v", st)
		}
		start := time.Now()
		out := tr.Deliver(t.Context(), job("b@d.test"))
		wantOutcome(t, out, "deferred 451 4.4.5 local d.test 192.0.2.1")
		if !out[0].Untried || time.Since(start) != waitTime {
			t.Errorf("%+v after %s", out[0], time.Since(start))
		}
		// Who waits goes on as soon as one ends.
		go func() {
			time.Sleep(waitTime / 2)
			cancel()
		}()
		start = time.Now()
		wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "delivered 250 2.0.0 relayed d.test 192.0.2.1")
		if d := time.Since(start); d != waitTime/2 {
			t.Errorf("it waited %s", d)
		}
		<-done
		synctest.Wait()
	})
}
