// Package cores has the process use as many processors as its work needs.
//
// Go's scheduler wakes a thread on every idle processor that it may use as soon
// as something is ready to run, even if the running ones would have come to it
// in a moment. A gateway waits for others most of its time: with two processors
// that both are half idle it takes a third more of each for the same mail than
// with one that is busy, and that from whoever else is on the machine (a virus
// scanner, the mailbox servers).
package cores

import (
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"
)

// All is how many processors the process may use, whether it does or not.
var All = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })

const (
	tick = 100 * time.Millisecond
	// full is the share of the processors in use above which all are taken.
	full = 0.85
	// spare is the share of one processor less below which one is given up.
	spare = 0.95
	// long is a wait for a processor, where a tenth of the waits are longer all
	// are taken: others may be keeping us from those in use, or the disk.
	long = 10 * time.Millisecond
	few  = 20 // waits that say nothing; one in eight is counted
	// Processors are held where a quarter of the waits are longer than short though
	// the machine idles: by system calls that wait themselves. One more is used then.
	short  = time.Millisecond
	idling = 0.10
	// One is given up after calm ticks with as many as there are; after more,
	// restless at most, where the last time turned out wrong soon.
	calm, restless = 10, 600
)

// Fit changes GOMAXPROCS by the load until ctx ends, then all are used. With
// that variable in the environment it is the administrator's choice, which stays.
func Fit(ctx context.Context) {
	if All() == 1 || os.Getenv("GOMAXPROCS") != "" {
		return
	}
	var m meter
	m.read()
	follow(ctx, m.read)
}

// follow is Fit by what read measures.
func follow(ctx context.Context, read func() (used float64, late, held bool)) {
	all := All()
	defer runtime.SetDefaultGOMAXPROCS()
	t := time.NewTicker(tick)
	defer t.Stop()
	f := fit{all: all, now: all, patience: calm, ticks: calm}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		used, late, held := read()
		if f.now == f.all { // then they follow what the system allows
			f.all = runtime.GOMAXPROCS(0)
			f.now = f.all
		}
		switch n := f.step(used, late, held); {
		case n == f.all && n != f.was:
			runtime.SetDefaultGOMAXPROCS() // the system may allow more or fewer by now
			f.all = runtime.GOMAXPROCS(0)
			f.now = f.all
		case n != f.was:
			runtime.GOMAXPROCS(n)
		}
	}
}

// fit decides how many processors are used.
type fit struct {
	all, now, was int
	load          float64 // smoothed
	ticks         int     // since the last change
	lowered       bool    // that change was one less
	patience      int     // ticks before one is given up
}

// step takes how many processors were used in the last tick, whether work waited
// long for one, and whether they were held, and says how many may be used in the
// next: one more than there are while they are held.
func (f *fit) step(used float64, late, held bool) int {
	f.was = f.now
	f.load = (f.load + used) / 2
	f.ticks++
	to := f.now
	switch {
	case f.now < f.all && (late || f.load > full*float64(f.now)):
		to = f.all
	case f.now == f.all && held:
		to = f.all + 1
	}
	switch {
	case to > f.now:
		if f.lowered && f.ticks < 5*calm {
			f.patience = min(2*f.patience, restless)
		} else {
			f.patience = calm
		}
		f.now, f.ticks, f.lowered = to, 0, false
	case f.ticks < f.patience || late || held:
	case f.now > f.all, f.now > 1 && f.load < spare*float64(f.now-1):
		f.now, f.ticks, f.lowered = f.now-1, 0, true
	}
	return f.now
}

// meter measures the process, and how much of the machine idles.
type meter struct {
	at      time.Time
	machine machine
	cpu     time.Duration
	waits   [1]metrics.Sample
	counted []uint64
}

// read returns how many processors were used since the last time, whether more
// than a tenth of what became ready waited long for one, and whether they were
// held.
func (m *meter) read() (used float64, late, held bool) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return float64(All()), true, false // as if there were no Fit
	}
	now, cpu := time.Now(), time.Duration(r.Utime.Nano()+r.Stime.Nano())
	used = float64(cpu-m.cpu) / float64(max(now.Sub(m.at), 1))
	slow := now.Sub(m.at) > 2*tick // we waited ourselves: a page that comes from the disk keeps a processor
	m.at, m.cpu = now, cpu
	m.waits[0].Name = "/sched/latencies:seconds"
	metrics.Read(m.waits[:])
	shorts, longs := m.waited(m.waits[0].Value.Float64Histogram())
	if shorts > 0.25 {
		idle, all := processorTime()
		held = m.machine.idles(now, idle, all) > idling
	}
	return used, longs > 0.1 || slow, held
}

// waited returns of what became ready the shares that waited short and long for a
// processor; 0: too few became.
func (m *meter) waited(h *metrics.Float64Histogram) (overShort, overLong float64) {
	first := m.counted == nil
	if first {
		m.counted = make([]uint64, len(h.Counts))
	}
	var all, s, l uint64
	for i, n := range h.Counts {
		d := n - m.counted[i]
		m.counted[i] = n
		all += d
		if h.Buckets[i] >= short.Seconds() {
			s += d
		}
		if h.Buckets[i] >= long.Seconds() {
			l += d
		}
	}
	if first || all < few {
		return 0, 0
	}
	return float64(s) / float64(all), float64(l) / float64(all)
}

// machine measures how much of it idles.
type machine struct {
	at        time.Time
	idle, all uint64
	share     float64 // smoothed
}

// idles returns that, by how long its processors have idled of how long in all, 0
// where it is not known, or was not asked for a while.
func (m *machine) idles(now time.Time, idle, all uint64) float64 {
	share := float64(int64(idle-m.idle)) / float64(max(int64(all-m.all), 1)) // time waited for disks can run backwards
	if all == 0 || now.Sub(m.at) > 3*tick {
		m.share = 0
	} else {
		m.share += (share - m.share) / 4
	}
	m.at, m.idle, m.all = now, idle, all
	return m.share
}
