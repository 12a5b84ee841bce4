package queue

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// TestDestinationDown: a next hop that does not answer is left alone as a
// whole, and one message probes it.
func TestDestinationDown(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var up atomic.Bool
		l.next.answer = func(j *Job, to string) Outcome {
			if up.Load() || j.Destination == "fine.test" {
				return delivered
			}
			return away
		}
		l.start()
		for i := range 200 {
			l.send(fmt.Sprintf("a%d@s%d.example", i, i%7), mail, "b@down.test")
			if i == 0 {
				settle()
			}
		}
		l.send("a@example.org", mail, "b@fine.test")
		settle()
		if n := len(l.next.all()); n != 2 {
			t.Fatalf("%d attempts", n)
		}
		time.Sleep(30 * time.Minute)
		settle()
		n := len(l.next.all()) // probes after 1, 2, 4, 8, 16 minutes
		if n < 5 || n > 8 {
			t.Errorf("%d attempts", n)
		}
		up.Store(true)
		time.Sleep(35 * time.Minute)
		settle()
		if left := l.list(); len(left) > 10 { // those that have probed wait by the schedule
			t.Errorf("%d left", len(left))
		}
		time.Sleep(5 * time.Hour)
		settle()
		if left := l.list(); len(left) != 0 {
			t.Errorf("%d left", len(left))
		}
	})
}

// TestDownForDays: the messages of a destination that never comes back are
// told of and returned, though hardly any has been tried.
func TestDownForDays(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			if j.Destination == "down.test" {
				return away
			}
			return delivered
		}
		l.start()
		for i := range 50 {
			l.send("a@example.org", mail, fmt.Sprintf("b%d@down.test", i))
			if i == 0 {
				settle()
			}
		}
		time.Sleep(5 * time.Hour)
		settle()
		count := func(what string) (n int) {
			for _, g := range l.next.all() {
				if g.from == "" && strings.Contains(g.body, what) {
					n++
				}
			}
			return n
		}
		if n := count("Action: delayed"); n != 50 {
			t.Errorf("%d were told that it is late", n)
		}
		time.Sleep(116 * time.Hour)
		settle()
		if n := count("Action: failed"); n != 50 {
			t.Errorf("%d came back", n)
		}
		if n := len(l.list()); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

// TestProbeThatSaysNothing: where the message that was to find out whether a
// destination is still down cannot be read, or is taken away, another does.
func TestProbeThatSaysNothing(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var first string
		down := true
		l.next.answer = func(j *Job, _ string) Outcome {
			switch {
			case down:
				return away
			case first == "" || j.ID == first:
				first = j.ID
				return Outcome{Local: true, Reply: unread}
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "a@x.test")
		settle()
		l.send("b@example.org", mail, "a@x.test")
		l.send("c@example.org", mail, "a@x.test")
		settle()
		l.act(Remove, Filter{From: "a@example.org"})
		l.comeBack(&down)
		if items := l.list(); len(items) != 1 || items[0].ID != first {
			t.Errorf("%d left", len(items))
		}
	})
}

// TestProbesWhoseRowsHaveGone: buckets are noted for a destination whose rows
// an administrator has removed; the rest is found nevertheless.
func TestProbesWhoseRowsHaveGone(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		down := true
		l.next.answer = func(*Job, string) Outcome {
			if down {
				return away
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "a@x.test")
		settle()
		for i := range 100 {
			l.send(fmt.Sprintf("u@gone%d.test", i), mail, "a@x.test")
		}
		l.send("stays@example.org", mail, "a@x.test")
		settle()
		for i := range 100 {
			f := Filter{From: fmt.Sprintf("u@gone%d.test", i)}
			l.act(Remove, f)
		}
		l.act(Hold, Filter{From: "a@example.org"})
		l.comeBack(&down)
		if items := l.list(); len(items) != 1 || items[0].State != Held {
			t.Errorf("%d left", len(items))
		}
	})
}

// TestManyDestinationsDown: that very many are down costs each of them no more
// than that few are.
func TestManyDestinationsDown(t *testing.T) {
	t.Parallel()
	s := newSched(DefaultOptions())
	const many = 4 * maxIdleDests
	for i := range many {
		d := s.dest(destKey{"out", fmt.Sprint(i)})
		s.failed(d, 1000, reply{})
		d.park(uint32(i))
	}
	if s.swept > 8 {
		t.Errorf("%d sweeps for %d destinations", s.swept, many)
	}
	for _, d := range s.dests {
		s.release(d)
	}
	for i := range many {
		s.dest(destKey{"out", fmt.Sprint("other", i)})
	}
	if len(s.dests) > 2*many {
		t.Errorf("%d destinations are remembered", len(s.dests))
	}
}

// hops has its mail go by sender and pool.
type hops struct{ *fake }

func (hops) NextHop(domain string, from smtp.Address, how gateway.Queueing) string {
	return domain + " " + from.Local + " " + how.Pool
}

// TestOnlyOneWayWaits: where mail to one domain goes several ways, one that is
// down, or has been used up for today, keeps nothing else waiting.
func TestOnlyOneWayWaits(t *testing.T) {
	for name, why := range map[string]Outcome{"down": away, "used up": {Local: true, Destination: true, Untried: true, Retry: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			in(t, Options{}, func(t *testing.T, l *lab) {
				l.next.answer = func(j *Job, to string) Outcome {
					if j.From.Local == "news" || j.Queue.Pool == "news" {
						return why
					}
					return delivered
				}
				l.q.SetTransports(map[string]Transport{"out": hops{l.next}})
				send := func(from, pool string) {
					c := copyOf(from, mail, "b@d.test")
					c.Queue.Pool = pool
					l.commit(c)
					settle()
				}
				for range 3 {
					send("news@example.org", "")
					send("ana@example.org", "news")
				}
				n := len(l.next.all())
				for range 3 {
					send("ana@example.org", "")
				}
				if got := len(l.next.all()) - n; got != 3 || n != 2 {
					t.Errorf("%d attempts, then %d", n, got)
				}
			})
		})
	}
}

// TestBehindManyOfAnotherWay: what one sender has waiting for a way that is
// down keeps nothing of his from another way, however much it is.
func TestBehindManyOfAnotherWay(t *testing.T) {
	for name, first := range map[string]Outcome{"deferred": busy, "down for a moment": away} {
		t.Run(name, func(t *testing.T) {
			in(t, Options{}, func(t *testing.T, l *lab) {
				l.next.answer = func(j *Job, to string) Outcome {
					switch {
					case j.Queue.Pool == "news":
						return Outcome{Local: true, Destination: true, Untried: true, Retry: 12 * time.Hour}
					case j.Attempt == 1:
						return first
					}
					return delivered
				}
				l.q.SetTransports(map[string]Transport{"out": hops{l.next}})
				send := func(pool string) string {
					c := copyOf("ana@example.org", mail, "b@d.test")
					c.Queue.Pool = pool
					l.commit(c)
					return c.ID
				}
				for range 2 * loadMost {
					send("news")
				}
				settle()
				id := send("")
				time.Sleep(30 * time.Minute)
				settle()
				n := 0
				for _, g := range l.next.all() {
					if g.id == id && len(g.to) > 0 {
						n++
					}
				}
				if n != 1 {
					t.Errorf("delivered %d times", n)
				}
			})
		})
	}
}
