package proxy

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

var took = smtp.EnhancedCode{2, 0, 0}

func TestFailOverAndRecovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := &fake{refuse: errRefusedConn}, &fake{}
		g := group(t, Options{}, a, b)
		send := func() { t.Helper(); want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) }
		send()
		send()
		if a.dialled() != 1 || len(b.taken()) != 2 {
			t.Error("a backend that is down was tried", a.dialled())
		}
		// Back-off doubles from 1 s and ends at 1 min, each with up to a
		// quarter more.
		wait := time.Second
		for n := 2; n < 12; n++ {
			time.Sleep(wait - 1)
			send()
			if a.dialled() != n-1 {
				t.Fatal("tried too early", n)
			}
			time.Sleep(wait/4 + 1)
			send()
			if a.dialled() != n {
				t.Fatal("not tried again", n)
			}
			wait = min(2*wait, time.Minute)
		}
		a.fail(nil)
		time.Sleep(2 * time.Minute)
		send()
		send()
		if len(a.taken()) != 2 || !g.Status()[0].Up {
			t.Errorf("%d %+v", len(a.taken()), g.Status())
		}
	})
}

// When a backend's time is over, one session finds out whether it works; the
// others do not wait for it.
func TestOnlyOneProbesABackend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := &fake{on: sayTo("connect", "hang")}, &fake{}
		g := group(t, Options{}, a, b)
		want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) // 30 s
		time.Sleep(2 * time.Second)
		began := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		quick := 0
		for range 10 {
			wg.Go(func() {
				want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
				mu.Lock()
				defer mu.Unlock()
				if time.Since(began) == 0 {
					quick++
				}
			})
		}
		wg.Wait()
		if quick != 9 || a.dialled() != 2 {
			t.Error(quick, a.dialled())
		}
	})
}

func TestManyFailuresAtOnceAreOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := &fake{on: sayTo("connect", "hang")}
		g := group(t, Options{}, a)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 1}) })
		}
		wg.Wait()
		if n := g.backends[0].failed; n != 1 {
			t.Error("failures", n)
		}
	})
}

func TestAllDownIsTriedNevertheless(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := &fake{refuse: errRefusedConn}, &fake{refuse: errRefusedConn}
		g := group(t, Options{}, a, b)
		want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 1})
		if g.Ready() {
			t.Error("ready")
		}
		a.fail(nil)
		b.fail(nil)
		want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
		if !g.Ready() {
			t.Error("not ready")
		}
	})
}

// TestProbeFindsThatABackendIsBack without any mail that would.
func TestProbeFindsThatABackendIsBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := &fake{}
		g := group(t, Options{}, a)
		want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
		a.fail(errRefusedConn)
		time.Sleep(time.Hour) // no connection is kept
		want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 1})
		n := a.dialled()
		if err := g.Probe(t.Context()); err != nil || a.dialled() != n {
			t.Error("probed before it is due:", err, a.dialled()-n)
		}
		time.Sleep(2 * time.Second)
		if err := g.Probe(t.Context()); err == nil || g.Ready() {
			t.Error(err, "ready though it does not answer")
		}
		a.fail(nil)
		time.Sleep(5 * time.Second)
		n = a.dialled()
		if err := g.Probe(t.Context()); err != nil || !g.Ready() || a.dialled() != n+1 {
			t.Error(err, "not ready", a.dialled()-n)
		}
		if err := g.Probe(t.Context()); err != nil || a.dialled() != n+1 {
			t.Error(err, "probed though it works")
		}
	})
}

func TestThresholdOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := &fake{refuse: errRefusedConn}, &fake{}
		g := group(t, Options{Failures: 3}, a, b)
		for range 5 {
			commit(t, g, copyTo("a", "b"))
		}
		if a.dialled() != 3 {
			t.Error(a.dialled())
		}
	})
}

func TestRoundRobin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, c := &fake{}, &fake{refuse: errRefusedConn}, &fake{}
		g := group(t, Options{Balance: "round-robin"}, a, b, c)
		for range 9 {
			want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
		}
		if len(a.taken()) != 3 || len(c.taken()) != 6 || b.dialled() != 1 {
			t.Error(len(a.taken()), b.dialled(), len(c.taken()))
		}
	})
}

// slow makes every message take a second.
func slow(_ *fake, line string) string {
	if line == "." {
		time.Sleep(time.Second)
	}
	return ""
}

func TestConnectionsAreBoundedAndWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: slow}
		g := group(t, Options{Connections: 2}, f)
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) })
		}
		wg.Wait()
		if f.most != 2 || f.dialled() != 2 || time.Since(began) != 5*time.Second {
			t.Error(f.most, f.dialled(), time.Since(began))
		}
	})
}

func TestNoConnectionInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: sayTo(".", "hang")}
		g := group(t, Options{Connections: 1, Wait: 3 * time.Second}, f)
		var wg sync.WaitGroup
		wg.Go(func() { commit(t, g, copyTo("a", "b")) })
		synctest.Wait()
		began := time.Now()
		want(t, verify(t, g, "a", "b"), 451, smtp.EnhancedCode{4, 4, 5})
		if time.Since(began) != 3*time.Second || !g.Ready() || len(g.backends[0].pool.queue) != 0 {
			t.Error(time.Since(began), g.Status())
		}
		wg.Wait()
	})
}

// A backend that takes only two connections says 421 to the third: the pool
// stays with two, and nobody is turned away.
func TestBackendsOwnLimitOfConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		f.set(func(f *fake, line string) string {
			f.mu.Lock()
			many := f.open > 2
			f.mu.Unlock()
			if many && line == "connect" {
				return "421 4.7.0 too many connections"
			}
			return slow(f, line)
		})
		g := group(t, Options{}, f)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) })
		}
		synctest.Wait()
		for range 6 {
			wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) })
		}
		wg.Wait()
		if len(f.taken()) != 8 || !g.Ready() {
			t.Error(len(f.taken()), g.Status())
		}
	})
}

func TestIdleConnectionsGrowOld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: slow}
		g := group(t, Options{Idle: 3}, f)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { commit(t, g, copyTo("a", "b")) })
		}
		wg.Wait()
		synctest.Wait()
		if s := g.Status()[0]; s.Open != 3 || s.Idle != 3 || f.count("QUIT") != 2 {
			t.Errorf("%+v", s)
		}
		// One is used, the others grow old.
		time.Sleep(40 * time.Second)
		commit(t, g, copyTo("a", "b"))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := g.Status()[0]; s.Open != 1 || f.count("QUIT") != 4 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := g.Status()[0]; s.Open != 0 || f.open != 0 || f.count("QUIT") != 5 {
			t.Errorf("%+v", s)
		}
	})
}

func TestMessagesOfAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{Messages: 2}, f)
		for range 5 {
			commit(t, g, copyTo("a", "b"))
		}
		synctest.Wait()
		if f.dialled() != 3 || f.open != 1 {
			t.Error(f.dialled(), f.open)
		}
	})
}

func TestAgeOfAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		for range 22 {
			commit(t, g, copyTo("a", "b"))
			time.Sleep(30 * time.Second)
		}
		if f.dialled() != 2 {
			t.Error(f.dialled())
		}
	})
}

// Who waits for a connection gets the room of one that broke.
func TestBrokenConnectionMakesRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		f := &fake{}
		f.set(func(_ *fake, line string) string {
			if line == "." {
				time.Sleep(time.Second)
				if n++; n == 1 {
					return "drop"
				}
			}
			return ""
		})
		g := group(t, Options{Connections: 1}, f)
		var wg sync.WaitGroup
		wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 2}) })
		synctest.Wait()
		began := time.Now()
		want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
		if time.Since(began) != 2*time.Second {
			t.Error(time.Since(began))
		}
		wg.Wait()
	})
}

func TestCloseLetsHandoversEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: slow}
		g := group(t, Options{}, f)
		verify(t, g, "a", "c")
		var wg sync.WaitGroup
		wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) })
		wg.Go(func() { want(t, commit(t, g, copyTo("a", "b"))[0], 250, took) })
		synctest.Wait()
		g.Close()
		wg.Wait()
		synctest.Wait()
		if f.open != 0 {
			t.Error("connections left", f.open)
		}
		want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 1})
		want(t, verify(t, g, "a", "new"), 451, smtp.EnhancedCode{4, 4, 1})
	})
}

func TestCloseEndsQuestions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: sayTo("RCPT", "hang")}
		g := group(t, Options{}, f)
		var wg sync.WaitGroup
		wg.Go(func() {
			if r := verify(t, g, "a", "b"); r.Code != 451 {
				t.Error(r)
			}
		})
		synctest.Wait()
		began := time.Now()
		g.Close()
		wg.Wait()
		if time.Since(began) != 0 {
			t.Error(time.Since(began))
		}
	})
}

func TestSilentBackendCostsVerifyItsTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: sayTo("RCPT", "hang")}
		g := group(t, Options{VerifyTimeout: 7 * time.Second}, f)
		began := time.Now()
		if r := verify(t, g, "a", "b"); r.Code != 451 || !strings.HasPrefix(r.Enhanced.String(), "4.4.") {
			t.Error(r)
		}
		if time.Since(began) != 7*time.Second {
			t.Error(time.Since(began))
		}
	})
}
