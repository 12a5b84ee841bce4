package search

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// flow is a Feed that gets so many events a second for a while.
type flow struct {
	Feed
	rate  int64
	begin time.Time
	lasts time.Duration
}

func (f *flow) LastEvent(context.Context) (int64, error) {
	return f.rate * int64(min(time.Since(f.begin), f.lasts)/time.Millisecond) / 1000, nil
}

// TestRushIsWaitedFor: mail that comes slowly is indexed at once, a rush is
// waited for while it is short and not too much is left to be read.
func TestRushIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name        string
		rate        int64
		lasts, wait time.Duration
		patience    time.Duration
	}{
		{"slow", rushRate / 2, time.Hour, 0, 1},
		{"short", 10 * rushRate, 4 * time.Second, 4 * time.Second, 1},
		{"long", 10 * rushRate, time.Hour, rushWait, rushShare},
		{"too much", rushBehind, time.Hour, 2 * time.Second, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &Index{deps: Deps{Feed: &flow{rate: c.rate, begin: time.Now(), lasts: c.lasts}}}
				var m tempo
				x.look(t.Context(), &m)
				time.Sleep(gatherTime)
				begin := time.Now()
				x.calm(t.Context(), &m)
				if waited := time.Since(begin); waited < c.wait-gatherTime || waited > c.wait+gatherTime {
					t.Errorf("waited for %v, not %v", waited, c.wait)
				}
				if got := x.patience(&m); got != c.patience {
					t.Errorf("rests %d times as long, not %d", got, c.patience)
				}
				time.Sleep(2 * c.lasts)
				begin = time.Now()
				x.calm(t.Context(), &m)
				if waited := time.Since(begin); waited > 0 {
					t.Errorf("waited for %v when all was over", waited)
				}
			})
		})
	}
}

// broken is a Feed that cannot be read any more, in the middle of a rush.
type broken struct {
	flow
	gone bool
}

func (b *broken) LastEvent(ctx context.Context) (int64, error) {
	if b.gone {
		return 0, errors.New("gone")
	}
	return b.flow.LastEvent(ctx)
}

// TestRushThatCannotBeSeen: the next step is to tell of the error.
func TestRushThatCannotBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &broken{flow: flow{rate: 10 * rushRate, begin: time.Now(), lasts: time.Hour}}
		x := &Index{deps: Deps{Feed: feed}}
		var m tempo
		for range 2 {
			x.look(t.Context(), &m)
			time.Sleep(gatherTime)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		feed.gone = true
		if x.calm(ctx, &m); ctx.Err() != nil {
			t.Error("it waits for ever")
		}
	})
}
