package queue

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is how many entries are in memory here. What is done is the same as with
// maxMemory, which takes the race detector a minute.
const crowd = 4000

// TestASlowDestinationDoesNotFillMemory: very much for one that takes its
// time, from many senders, leaves room for what others have waiting.
func TestASlowDestinationDoesNotFillMemory(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.q.most = crowd
		var quick atomic.Bool
		l.next.before = func(ctx context.Context, j *Job) {
			if j.Destination != "slow.test" || quick.Load() {
				return
			}
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
		}
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.Destination == "busy.test" && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.start()
		const senders = 100
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for range crowd * 5 / 4 / senders {
					l.send(fmt.Sprintf("u@s%d.test", i), mail, "x@slow.test")
				}
			})
		}
		wg.Wait()
		sent := map[string]time.Time{}
		for i := range 20 {
			sent[l.send(fmt.Sprintf("u@e%d.test", i), mail, "x@good.test")] = time.Now()
			sent[l.send(fmt.Sprintf("u@e%d.test", i), mail, "x@busy.test")] = time.Now()
		}
		time.Sleep(10 * time.Minute)
		settle()
		n, worst := 0, time.Duration(0)
		for _, g := range l.next.all() {
			if at, ok := sent[g.id]; ok && len(g.to) > 0 {
				n++
				worst = max(worst, g.at.Sub(at))
			}
		}
		l.q.mu.Lock()
		memory := len(l.q.entries)
		l.q.mu.Unlock()
		if n != len(sent) || worst > 2*time.Minute {
			t.Errorf("%d of %d arrived, the latest after %v; %d in memory", n, len(sent), worst, memory)
		}
		quick.Store(true)
		time.Sleep(10 * time.Minute)
		settle()
		if n := len(l.list()); n > 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// TestAFlowIsLoadedInParts: of very much that is due at once only a part is
// brought into memory, and more when that has gone.
func TestAFlowIsLoadedInParts(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		end := make(chan struct{})
		l.next.before = func(context.Context, *Job) { <-end }
		l.start()
		const many = 4 * loadMost
		var wg sync.WaitGroup
		for range many {
			wg.Go(func() {
				c := copyOf("a@example.org", mail, "a@x.test")
				c.Params.HoldFor = time.Hour
				l.commit(c)
			})
		}
		wg.Wait()
		time.Sleep(time.Hour + time.Minute)
		settle()
		l.q.mu.Lock()
		n := len(l.q.entries)
		l.q.mu.Unlock()
		if n == 0 || n > loadMost+loadAgain {
			t.Errorf("%d entries in memory", n)
		}
		close(end)
		time.Sleep(time.Minute)
		settle()
		if n := len(l.next.all()); n != many {
			t.Errorf("%d of %d delivered", n, many)
		}
	})
}

// TestFullMemoryIsFilledAgain: when memory is full of what many destinations
// take their time for, the rest is loaded once there is room.
func TestFullMemoryIsFilledAgain(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.q.most = crowd
		end := make(chan struct{})
		l.next.before = func(context.Context, *Job) { <-end }
		l.start()
		dests, each := l.q.loadable()/8, 10
		var wg sync.WaitGroup
		for i := range dests {
			wg.Go(func() {
				for range each {
					c := copyOf("a@example.org", mail, fmt.Sprintf("a@x%d.test", i))
					c.Params.HoldFor = time.Hour
					l.commit(c)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Hour + time.Minute)
		settle()
		l.q.mu.Lock()
		n, starved := len(l.q.entries), l.q.starved
		l.q.mu.Unlock()
		if !starved || n > l.q.loadable() {
			t.Errorf("%d entries in memory, starved %v", n, starved)
		}
		close(end)
		time.Sleep(10 * time.Second) // nothing else has the runner look that soon
		settle()
		if n := len(l.next.all()); n != dests*each {
			t.Errorf("%d of %d delivered", n, dests*each)
		}
	})
}
