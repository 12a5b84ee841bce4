package cores

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"
)

// held lets n ticks pass in which processors are held, with so much load.
func (f *fit) held(n int, used float64) (list []int) {
	for range n {
		list = append(list, f.step(used, false, true))
	}
	return list
}

func TestOneMoreWhileTheyAreHeld(t *testing.T) {
	f := started(2)
	if f.run(4*calm, 0.1); f.now != 1 {
		t.Errorf("%d with nothing to do", f.now)
	}
	if f.held(4*calm, 0.1); f.now != 1 {
		t.Errorf("%d with nothing to do", f.now)
	}
	if list := f.held(10*calm, 1.2); !slices.Contains(list, 2) || slices.Max(list) != 3 || f.now != 3 {
		t.Errorf("held: %v", list)
	}
	if list := f.run(calm, 1.2); f.now != 2 {
		t.Errorf("not held any more: %v", list)
	}
	if f.held(2, 1.2); f.now != 3 || f.patience != 2*calm {
		t.Errorf("held again: %d, patience %d", f.now, f.patience)
	}
	if f.run(8*calm, 0.1); f.now != 1 {
		t.Errorf("%d with nothing to do", f.now)
	}
}

func TestWaited(t *testing.T) {
	var m meter
	h := &metrics.Float64Histogram{Buckets: []float64{0, 1e-4, 1e-3, 1e-2, 1}, Counts: make([]uint64, 4)}
	add := func(counts ...uint64) (float64, float64) {
		for i, n := range counts {
			h.Counts[i] += n
		}
		return m.waited(h)
	}
	for _, x := range []struct {
		counts   []uint64
		short, l float64
	}{
		{[]uint64{0, 0, 0, 100}, 0, 0}, // since the start
		{[]uint64{0, 0, 0, few - 1}, 0, 0},
		{[]uint64{50, 20, 20, 10}, 0.3, 0.1},
		{[]uint64{50, 50, 0, 0}, 0, 0},
	} {
		if s, l := add(x.counts...); s != x.short || l != x.l {
			t.Errorf("%v: %v and %v", x.counts, s, l)
		}
	}
}

func TestIdles(t *testing.T) {
	var m machine
	now := time.Now()
	if got := m.idles(now, 1000, 2000); got != 0 {
		t.Errorf("since the machine's start: %v", got)
	}
	var got float64
	for n := range uint64(30) {
		now = now.Add(tick)
		got = m.idles(now, 1000+5*n, 2000+20*n)
	}
	if got < 0.23 || got > 0.26 {
		t.Errorf("a quarter is %v", got)
	}
	if got := m.idles(now.Add(tick), 1000+5*29-1, 2000+20*30); got > 0.26 {
		t.Errorf("time that ran backwards: %v", got)
	}
	if got := m.idles(now.Add(time.Second), 9000, 10000); got != 0 {
		t.Errorf("after a pause: %v", got)
	}
	if got := m.idles(now.Add(time.Second+tick), 0, 0); got != 0 {
		t.Errorf("not known: %v", got)
	}
}

func TestProcessorTime(t *testing.T) {
	idle, all := processorTime()
	known := runtime.GOOS == "linux" && runtime.NumCPU() == All()
	if known != (all > 0) || idle > all {
		t.Errorf("%d of %d", idle, all)
	}
}
