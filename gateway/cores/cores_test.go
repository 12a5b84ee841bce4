package cores

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// run lets a load of so many processors last for n ticks, and returns how many
// were allowed at each.
func (f *fit) run(n int, used float64) (list []int) {
	for range n {
		list = append(list, f.step(min(used, float64(f.now)), false, false))
	}
	return list
}

func started(all int) *fit { return &fit{all: all, now: all, patience: calm, ticks: calm} }

func TestAsManyAsTheWorkNeeds(t *testing.T) {
	f := started(4)
	if f.run(4*calm, 0.1); f.now != 1 {
		t.Errorf("%d with nothing to do", f.now)
	}
	if f.run(4*calm, 0.7); f.now != 1 {
		t.Errorf("%d for 0.7", f.now)
	}
	if f.run(4, 3.5); f.now != 4 {
		t.Errorf("%d soon after work for 3.5 came", f.now)
	}
	if f.run(10*calm, 3.5); f.now != 4 {
		t.Errorf("%d for 3.5", f.now)
	}
	if f.run(4*calm, 1.5); f.now != 2 {
		t.Errorf("%d for 1.5", f.now)
	}
}

func TestAShortRestGivesNothingUp(t *testing.T) {
	f := started(2)
	f.run(calm, 0)
	f.run(calm/2, 2)
	if f.run(calm/3, 0); f.now != 2 {
		t.Error("given up after a third of a second")
	}
}

// What needs little more than one is not asked to do with one each second.
func TestWhatWasWrongIsTriedLessOften(t *testing.T) {
	f := started(2)
	f.run(calm, 0)
	changes, was := 0, f.now
	for range 20 * 60 * 10 { // 20 minutes: 1.2 processors' work if it gets them, and 0.88 with two
		used := 0.88
		if f.now == 1 {
			used = 1
		}
		if f.step(used, false, false) != was {
			changes, was = changes+1, f.now
		}
	}
	if changes < 4 || changes > 60 {
		t.Errorf("%d changes in 20 minutes", changes)
	}
}

func TestWhoWaitsLongGetsAll(t *testing.T) {
	f := started(8)
	f.run(20*calm, 0.1)
	if n := f.step(0.1, true, false); n != 8 {
		t.Errorf("%d", n)
	}
	for range 100 * calm {
		f.step(0.1, true, false)
	}
	if f.now != 8 {
		t.Errorf("%d as long as it lasts", f.now)
	}
}

// Not parallel: it is about the process.
func TestFit(t *testing.T) {
	runtime.SetDefaultGOMAXPROCS() // with the variable in the environment there is no Fit
	all := All()
	if all == 1 {
		t.Skip("one processor")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var busy atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		follow(ctx, func() (float64, bool, bool) {
			if busy.Load() {
				return float64(runtime.GOMAXPROCS(0)), false, false
			}
			return 0.1, false, false
		})
	})
	until := func(n int) {
		t.Helper()
		for runtime.GOMAXPROCS(0) != n {
			select {
			case <-ctx.Done():
				t.Fatalf("%d processors, not %d", runtime.GOMAXPROCS(0), n)
			case <-time.After(tick):
			}
		}
	}
	until(all - 1) // on a machine with many it would be a second for each to have one
	if All() != all {
		t.Errorf("all are %d, not %d", All(), all)
	}
	busy.Store(true)
	until(all)
	busy.Store(false)
	until(all - 1)
	cancel()
	wg.Wait()
	if n := runtime.GOMAXPROCS(0); n != all {
		t.Errorf("%d at the end", n)
	}
}

func TestWhatTheProcessUses(t *testing.T) {
	t.Parallel()
	var m meter
	m.read()
	before := m.cpu
	n := 0
	for m.cpu-before < 50*time.Millisecond {
		for range 1 << 20 {
			n++
		}
		if used, _, _ := m.read(); used < 0 {
			t.Fatal(used)
		}
	}
	if m.at = m.at.Add(-time.Second); n == 0 {
		t.Error("nothing was done")
	}
	if _, late, _ := m.read(); !late {
		t.Error("a second's wait of its own was not noticed")
	}
}
