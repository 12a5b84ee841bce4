package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestSlowDestinationsDelayNobodyElse: one answers 451, one hangs, one is slow;
// a newsletter goes out as well. The others' mail arrives as if they were not
// there.
func TestSlowDestinationsDelayNobodyElse(t *testing.T) {
	in(t, Options{Concurrency: 50}, func(t *testing.T, l *lab) {
		const took = 50 * time.Millisecond
		l.next.before = func(ctx context.Context, j *Job) {
			wait := took
			switch j.Destination {
			case "hangs.test":
				wait = 10 * time.Minute
			case "slow.test":
				wait = time.Minute
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		l.next.answer = func(j *Job, _ string) Outcome {
			switch j.Destination {
			case "hangs.test":
				return away
			case "busy.test":
				return busy
			}
			return delivered
		}
		l.start()
		for i := range 300 {
			for _, d := range []string{"busy.test", "hangs.test", "slow.test"} {
				l.send(fmt.Sprintf("u%d@example.org", i), mail, "x@"+d)
			}
		}
		for i := range 1000 {
			c := copyOf("news@example.org", mail, fmt.Sprintf("x@n%d.test", i%40))
			c.Queue.Lane = "bulk"
			l.commit(c)
		}
		sent := map[string]time.Time{}
		for i := range 300 {
			id := l.send("me@example.com", mail, fmt.Sprintf("you@good%d.test", i%10))
			sent[id] = time.Now()
			time.Sleep(time.Second)
		}
		settle()
		worst, n := time.Duration(0), 0
		for _, g := range l.next.all() {
			if at, ok := sent[g.id]; ok {
				n++
				worst = max(worst, g.at.Sub(at))
			}
		}
		t.Logf("%d delivered, the slowest after %v", n, worst)
		if n != 300 || worst > took+time.Second {
			t.Errorf("%d delivered, the slowest after %v", n, worst)
		}
	})
}

// TestHungDestinationsDoNotUseUpAllPlaces: more of them than there are
// attempts at once.
func TestHungDestinationsDoNotUseUpAllPlaces(t *testing.T) {
	in(t, Options{Concurrency: 20}, func(t *testing.T, l *lab) {
		l.next.before = func(ctx context.Context, j *Job) {
			if j.Destination != "good.test" {
				select {
				case <-time.After(5 * time.Minute):
				case <-ctx.Done():
				}
			}
		}
		l.start()
		for i := range 20 {
			l.send("a@example.org", mail, fmt.Sprintf("x@hangs%d.test", i))
		}
		synctest.Wait()
		start := time.Now()
		id := l.send("a@example.org", mail, "x@good.test")
		time.Sleep(time.Minute)
		for _, g := range l.next.all() {
			if g.id == id {
				if d := g.at.Sub(start); d > slowAfter+time.Second {
					t.Errorf("after %v", d)
				}
				return
			}
		}
		t.Error("not delivered")
	})
}

// TestABulkBacklogDoesNotHoldUpOthers: what is more than memory takes waits on
// disk, and later mail of others passes it.
func TestABulkBacklogDoesNotHoldUpOthers(t *testing.T) {
	in(t, Options{Concurrency: 2}, func(t *testing.T, l *lab) {
		var n atomic.Int64
		l.next.before = func(context.Context, *Job) { n.Add(1); time.Sleep(10 * time.Millisecond) }
		l.start()
		const bulk = maxFlow + 500
		for range bulk { // more than a flow may have in memory
			l.send("news@example.org", mail, "x@one.test")
		}
		for i := range 10 {
			l.send(fmt.Sprintf("a@u%d.example", i), mail, "x@one.test")
		}
		before := n.Load()
		time.Sleep(500 * time.Millisecond)
		own := 0
		for _, g := range l.next.all() {
			if g.from != "news@example.org" {
				own++
			}
		}
		if own != 10 {
			t.Errorf("%d of 10 are through while %d of the newsletter are", own, n.Load()-before)
		}
		time.Sleep(time.Minute)
		settle()
		if k := n.Load(); k != bulk+10 || len(l.list()) != 0 {
			t.Errorf("%d delivered, %d left", k, len(l.list()))
		}
	})
}

func TestPreparedIsOutOfSight(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		d := l.q.Delivery("out")
		a, b := copyOf("a@example.org", mail, "1@x.test"), copyOf("a@example.org", mail, "2@x.test")
		if err := errors.Join(d.Prepare(t.Context(), a), d.Prepare(t.Context(), b)); err != nil {
			t.Fatal(err)
		}
		settle()
		if len(l.list()) != 0 || len(l.next.all()) != 0 {
			t.Error("in sight")
		}
		if _, err := d.Commit(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		d.Abort()
		settle()
		if all := l.next.all(); len(all) != 1 || all[0].id != a.ID || l.blobs.Usage().Live != 0 {
			t.Errorf("%+v, %d octets live", all, l.blobs.Usage().Live)
		}
		// What is prepared when the gateway ends is forgotten.
		d = l.q.Delivery("out")
		if err := d.Prepare(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		l.close()
		l.open()
		l.start()
		settle()
		if len(l.next.all()) != 1 || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
			t.Error("not forgotten")
		}
	})
}

// TestShutdown: attempts that run may end; then they are given up, and made
// again after the next start.
func TestShutdown(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.before = func(ctx context.Context, j *Job) {
			wait := time.Second
			if j.Destination == "slow.test" {
				wait = time.Hour
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.Destination == "slow.test" {
				return Outcome{Local: true, Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 3, 2}, "ending")}
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "1@x.test")
		l.send("a@example.org", mail, "1@slow.test")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := l.q.Close(ctx); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("took %v", d)
		}
		if _, err := l.q.Delivery("out").Commit(t.Context(), copyOf("a@example.org", mail, "2@x.test")); err == nil {
			t.Error("takes mail after its end")
		}
		l.q = nil
		l.blobs.Close()
		l.db.Close()
		l.next = &fake{}
		l.open()
		l.start()
		settle()
		if all := l.next.all(); len(all) != 1 || all[0].attempt != 1 || all[0].job.Destination != "slow.test" {
			t.Errorf("%+v", all)
		}
	})
}

// TestActionsOnWhatIsTried: an entry that runs is held or removed when its
// attempt has not succeeded.
func TestActionsOnWhatIsTried(t *testing.T) {
	in(t, Options{PerDestination: 1}, func(t *testing.T, l *lab) {
		l.next.before = func(context.Context, *Job) { time.Sleep(time.Minute) }
		l.next.answer = func(*Job, string) Outcome { return busy }
		l.start()
		for i := range 3 {
			l.send("a@example.org", mail, fmt.Sprintf("%d@run%d.test", i, i))
		}
		for i := range 3 {
			l.send("b@example.org", mail, fmt.Sprintf("%d@run0.test", i+10)) // wait for their turn
		}
		synctest.Wait()
		act := func(want int, a Action, f Filter) {
			t.Helper()
			if n, err := l.q.Act(t.Context(), Change{Action: a, Filter: f}, nil); n != want || err != nil {
				t.Errorf("%s: %d, %v", a, n, err)
			}
		}
		act(1, Hold, Filter{Domain: "run0.test", From: "a@example.org"})
		act(1, Remove, Filter{Domain: "run1.test"})
		act(1, Hold, Filter{To: "10@run0.test"})
		act(1, Remove, Filter{To: "11@run0.test"})
		act(0, Remove, Filter{To: "11@run0.test"})
		settle()
		time.Sleep(121 * time.Second)
		settle()
		states := map[string]State{}
		for _, it := range l.list() {
			states[it.Recipients[0].To] = it.State
		}
		if want := "map[0@run0.test:held 10@run0.test:held 12@run0.test:waiting 2@run2.test:waiting]"; fmt.Sprint(states) != want {
			t.Errorf("%v", states)
		}
		if c := l.q.Counts(); c.Held != 2 {
			t.Errorf("%+v", c)
		}
		act(2, Release, Filter{State: Held})
		act(0, Release, Filter{State: Held})
		settle()
		if c := l.q.Counts(); c.Held != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestRetryAtOnce: a destination that is down is tried again when somebody
// says so, and all that waits for it.
func TestRetryAtOnce(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var up atomic.Bool
		l.next.answer = func(*Job, string) Outcome {
			if up.Load() {
				return delivered
			}
			return away
		}
		l.start()
		for i := range 20 {
			l.send(fmt.Sprintf("a@%d.example", i), mail, "x@down.test")
		}
		settle()
		up.Store(true)
		if n, err := l.q.Act(t.Context(), Change{Action: Retry, Filter: Filter{Domain: "DOWN.test"}}, nil); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		settle()
		if n := len(l.list()); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

// TestNewTransports: what waits for a way that did not work is tried by the new
// one at once; routes that are gone keep their mail.
func TestNewTransports(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome { return away }
		l.start()
		for i := range 5 {
			l.send(fmt.Sprintf("a@%d.example", i), mail, "x@down.test")
			settle()
		}
		l.q.SetTransports(nil)
		settle()
		if n := len(l.list()); n != 5 {
			t.Fatalf("%d left", n)
		}
		next := &fake{}
		l.q.SetTransports(map[string]Transport{"out": next})
		settle()
		if n := len(next.all()); n != 4 { // all but the one that has been tried
			t.Errorf("%d delivered", n)
		}
		time.Sleep(10 * time.Minute)
		settle()
		if n := len(l.list()); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

// TestAClockThatWasWrong: rows whose time another clock has set far ahead are
// tried soon.
func TestAClockThatWasWrong(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "x@x.test")
		settle()
		l.close()
		l.open()
		err := l.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE queue_waiting SET due = due + ?", int64(1000*24*time.Hour/time.Millisecond))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		l.open()
		l.start()
		settle()
		if n := len(l.next.all()); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

// TestWhatServersSayIsShown: no octets that are no text, nor controls, get to a
// terminal; a letter that is cut in two goes.
func TestWhatServersSayIsShown(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"gr\xfc\xdfe":      "gr??e",
		"gr\u00fc\u00dfe":  "gr\u00fc\u00dfe",
		"\u009b31m\x9b31m": "?31m?31m",
		strings.Repeat("x", maxReplyText-1) + "\u00fc": strings.Repeat("x", maxReplyText-1) + "?",
	} {
		if got := remember(Outcome{Reply: smtp.Reply{Text: in}}).Text; got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
