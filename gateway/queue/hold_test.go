package queue

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
)

func TestHeldUntilReleased(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		c := copyOf("a@example.org", mail, "b@x.test")
		c.Queue.Hold = "too many recipients"
		l.commit(c)
		time.Sleep(200 * time.Hour)
		settle()
		items := l.list()
		if len(items) != 1 || items[0].State != Held || items[0].Hold != "too many recipients" || len(l.next.all()) != 0 {
			t.Fatalf("%+v", items)
		}
		n, err := l.q.Act(context.Background(), Change{Action: Release, Filter: Filter{ID: c.ID}}, nil)
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		settle()
		if all := l.next.all(); len(all) != 1 || all[0].from == "" || len(l.list()) != 0 {
			t.Fatalf("%+v", all)
		}
	})
}

func TestFutureRelease(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		start := time.Now()
		c := copyOf("a@example.org", mail, "b@x.test")
		c.Params.HoldFor = 50 * time.Hour
		l.commit(c)
		time.Sleep(51 * time.Hour)
		settle()
		all := l.next.all()
		if len(all) != 1 || all[0].job.Params.HoldFor != 0 {
			t.Fatalf("%+v", all)
		}
		if d := all[0].at.Sub(start); d < 50*time.Hour || d > 50*time.Hour+time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// TestReleaseKeepsFutureRelease: that an administrator lets a message go does
// not mean before the time that its sender asked for.
func TestReleaseKeepsFutureRelease(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		c := copyOf("a@example.org", mail, "a@x.test")
		c.Queue.Hold, c.Params.HoldFor = "a quota", 10*time.Hour
		l.commit(c)
		time.Sleep(time.Hour)
		l.act(Release, Filter{All: true})
		time.Sleep(8 * time.Hour)
		settle()
		if len(l.next.all()) != 0 {
			t.Fatal("sent early")
		}
		time.Sleep(2 * time.Hour)
		settle()
		if len(l.next.all()) != 1 {
			t.Error("not sent")
		}
	})
}

// TestRetryKeepsFutureRelease: nor that everything is to be tried again.
func TestRetryKeepsFutureRelease(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		c := copyOf("a@example.org", mail, "a@x.test")
		c.Params.HoldFor = 10 * time.Hour
		l.commit(c)
		settle()
		if n, err := l.q.Act(context.Background(), Change{Action: Retry, Filter: Filter{All: true}}, nil); n != 0 || err != nil {
			t.Error(n, err)
		}
		time.Sleep(9 * time.Hour)
		settle()
		if len(l.next.all()) != 0 {
			t.Fatal("sent early")
		}
	})
}

// prepared queues c as one of several copies of a message.
func (l *lab) prepared(c *gateway.Copy) {
	l.t.Helper()
	d := l.q.Delivery("out")
	defer d.Abort()
	if err := d.Prepare(context.Background(), c); err != nil {
		l.t.Fatal(err)
	}
	if _, err := d.Commit(context.Background(), c); err != nil {
		l.t.Fatal(err)
	}
}

// TestPreparedWaitsAsAsked: what is one of several copies is held, and waits
// for its time, as a lone one does; after a crash too.
func TestPreparedWaitsAsAsked(t *testing.T) {
	for _, crash := range []bool{false, true} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			if !crash {
				l.start()
			}
			held := copyOf("a@example.org", mail, "held@x.test")
			held.Queue.Hold = "a quota"
			l.prepared(held)
			later := copyOf("a@example.org", mail, "later@x.test")
			later.Params.HoldFor = 10 * time.Hour
			l.prepared(later)
			settle()
			if crash {
				l.close()
				l.open()
				l.start()
			}
			time.Sleep(9 * time.Hour)
			settle()
			if all := l.next.all(); len(all) != 0 {
				t.Fatalf("crash %v: sent: %q", crash, all[0].to)
			}
			time.Sleep(2 * time.Hour)
			settle()
			if all := l.next.all(); len(all) != 1 || all[0].id != later.ID {
				t.Errorf("crash %v: %+v", crash, all)
			}
			if items := l.list(); len(items) != 1 || items[0].State != Held || items[0].Hold != "a quota" {
				t.Errorf("crash %v: %+v", crash, items)
			}
		})
	}
}

// TestWishesForWhatIsBeingTried end like actions on what waits, one after the other.
func TestWishesForWhatIsBeingTried(t *testing.T) {
	for _, tt := range []struct {
		name    string
		actions []Action
		counts  string // what each action said
		state   State  // afterwards, "" : gone
	}{
		{"release ends hold", []Action{Hold, Release}, "11", Waiting},
		{"retry leaves what is held", []Action{Hold, Retry}, "10", Held},
		{"hold keeps nothing that was removed", []Action{Remove, Hold}, "10", ""},
		{"nor do retry and release", []Action{Remove, Retry, Release}, "100", ""},
		{"what is held can be removed", []Action{Hold, Remove}, "11", ""},
		{"release without hold", []Action{Release}, "0", Waiting},
	} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			gate := make(chan struct{})
			l.next.before = func(context.Context, *Job) { <-gate }
			l.next.answer = func(*Job, string) Outcome { return busy }
			l.start()
			l.send("a@example.org", mail, "b@x.test")
			settle()
			counts := ""
			for _, a := range tt.actions {
				n, err := l.q.Act(context.Background(), Change{Action: a, Filter: Filter{All: true}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				counts += strconv.Itoa(n)
			}
			close(gate)
			settle()
			state := State("")
			if items := l.list(); len(items) == 1 {
				state = items[0].State
			}
			if counts != tt.counts || state != tt.state {
				t.Errorf("%s: counts %s, want %s; state %q, want %q", tt.name, counts, tt.counts, state, tt.state)
			}
		})
	}
}

// TestRetryByHandLeavesTheSchedule: an administrator who tries mail again and
// again during an outage does not make it wait hours afterwards.
func TestRetryByHandLeavesTheSchedule(t *testing.T) {
	in(t, Options{Retry: []time.Duration{time.Minute, 4 * time.Hour}}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome { return busy }
		l.start()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		for range 3 {
			l.act(Retry, Filter{All: true})
			settle()
		}
		l.close() // it is in the row
		l.open()
		l.start()
		settle()
		it := l.list()[0]
		if wait := time.Until(*it.Next); it.Attempts != 4 || wait > 66*time.Second {
			t.Errorf("after %d attempts it waits %v", it.Attempts, wait)
		}
		time.Sleep(2 * time.Minute)
		settle()
		it = l.list()[0]
		if wait := time.Until(*it.Next); it.Attempts != 5 || wait < 3*time.Hour {
			t.Errorf("after %d attempts it waits %v", it.Attempts, wait)
		}
	})
}

// TestAddressesAreChosenAsTheLogWritesThem: in brackets, too.
func TestAddressesAreChosenAsTheLogWritesThem(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome { return busy }
		l.start()
		l.send("a@example.org", mail, "b@x.test")
		l.send("", mail, "c@x.test")
		settle()
		for _, f := range []Filter{{To: "<b@x.test>"}, {To: "B@X.test"}, {From: "<a@example.org>"}, {From: "a@example.org"}, {From: "<>"}} {
			l.act(Hold, f)
			l.act(Release, f)
			settle()
		}
		for _, f := range []Filter{{To: "<"}, {To: "<>"}, {From: "<"}} { // nobody
			if n, err := l.q.Act(context.Background(), Change{Action: Hold, Filter: f}, nil); n != 0 || err != nil {
				t.Errorf("%+v: %d, %v", f, n, err)
			}
		}
	})
}
