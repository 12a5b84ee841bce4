package queue

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// work makes an entry of a lane, priority, sender and destination.
func work(id int64, lane string, prio int, sender, domain string) *entry {
	m := &message{first: id, entries: 1, user: sender}
	m.queue.Lane, m.queue.Priority = lane, prio
	return &entry{id: id, msg: m, route: "out", domain: domain, flow: flowOf("out", domain, m.lane(), m.priority(), sender)}
}

func (s *sched) queue(e *entry) { s.add(e, s.dest(destKey{e.route, e.domain})) }

// TestSchedKeepsItsWord runs random work against a model: limits hold, nothing
// that could be tried is left, flows keep their order, nothing is lost.
func TestSchedKeepsItsWord(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := Options{Concurrency: 1 + rng.IntN(12), PerDestination: 1 + rng.IntN(8), Lanes: map[string]Lane{"bulk": {Weight: 1, Limit: 3}}}.withDefaults()
		s := newSched(o)
		waiting, active := map[*entry]bool{}, map[*entry]bool{}
		down := map[*dest]bool{}
		latest := map[uint64]int64{}
		lanes := []string{"", "bulk", "transactional", "gone"}
		for step := range 2000 {
			switch k := rng.IntN(100); {
			case k < 40:
				e := work(int64(step+1), lanes[rng.IntN(4)], rng.IntN(19)-9, fmt.Sprint(rng.IntN(4)), fmt.Sprint(rng.IntN(6)))
				if d := s.dest(destKey{e.route, e.domain}); !d.down() {
					s.queue(e)
					waiting[e] = true
				}
			case k < 70:
				e := s.pick(int64(step))
				if e == nil {
					if x := couldRun(s, o, waiting, active); x != nil {
						t.Fatalf("seed %d, step %d: nothing is picked, and %+v could be", seed, step, x)
					}
					break
				}
				if !waiting[e] {
					t.Fatalf("seed %d: picked what does not wait", seed)
				}
				delete(waiting, e)
				active[e] = true
				if e.id < latest[e.flow] {
					t.Fatalf("seed %d: flow out of order", seed)
				}
				latest[e.flow] = e.id
				limits(t, s, o, active)
			case k < 92:
				for e := range active {
					s.done(e)
					delete(active, e)
					if rng.IntN(3) > 0 {
						s.worked(e.dest)
						delete(down, e.dest)
					}
					break
				}
			case k < 95:
				for e := range active {
					for _, x := range s.failed(e.dest, int64(step+100), reply{}) {
						if !waiting[x] || x.dest != e.dest {
							t.Fatalf("seed %d: drained what was not there", seed)
						}
						delete(waiting, x)
					}
					for x := range waiting {
						if x.dest == e.dest {
							t.Fatalf("seed %d: not drained", seed)
						}
					}
					down[e.dest] = true
					break
				}
			case k < 97:
				for d := range down {
					d.probing = true
					delete(down, d)
					break
				}
			default:
				for e := range waiting {
					s.remove(e)
					delete(waiting, e)
					break
				}
			}
			if s.queued != len(waiting) {
				t.Fatalf("seed %d, step %d: %d ready, the model has %d", seed, step, s.queued, len(waiting))
			}
		}
	}
}

// couldRun returns an entry that the model would try.
func couldRun(s *sched, o Options, waiting, active map[*entry]bool) *entry {
	if s.quick >= o.Concurrency {
		return nil
	}
	for e := range waiting {
		l := s.laneOf(e.msg.lane())
		if e.dest.available() && (l.limit == 0 || l.active < l.limit) {
			return e
		}
	}
	return nil
}

func limits(t *testing.T, s *sched, o Options, active map[*entry]bool) {
	t.Helper()
	bulk := 0
	dests := map[*dest]int{}
	for e := range active {
		dests[e.dest]++
		if e.msg.lane() == "bulk" {
			bulk++
		}
	}
	for d, n := range dests {
		if n > o.PerDestination {
			t.Fatalf("%d attempts at %v", n, d.key)
		}
	}
	if len(active) > o.Concurrency || bulk > 3 {
		t.Fatalf("%d attempts, %d of bulk", len(active), bulk)
	}
}

// shares runs one attempt at a time and counts what was picked by a name.
func shares(s *sched, n int, name func(*entry) string) map[string]int {
	got := map[string]int{}
	for range n {
		e := s.pick(0)
		got[name(e)]++
		s.done(e)
	}
	return got
}

// TestANewsletterTakesItsTurn: of all that waits for one destination, ten
// thousand messages of one sender delay those of others by a turn each.
func TestANewsletterTakesItsTurn(t *testing.T) {
	s := newSched(Options{Concurrency: 1}.withDefaults())
	for i := range 10_000 {
		s.queue(work(int64(i+1), "", 0, "news", "x.test"))
	}
	for i := range 20 {
		s.queue(work(int64(20_000+i), "", 0, fmt.Sprint("user", i), "x.test"))
	}
	got := shares(s, 25, func(e *entry) string { return e.msg.user })
	if got["news"] > 5 {
		t.Errorf("the newsletter had %d of the first 25 turns", got["news"])
	}
}

// TestDestinationsTakeTurns: what waits for one of them does not delay others.
func TestDestinationsTakeTurns(t *testing.T) {
	s := newSched(Options{Concurrency: 1}.withDefaults())
	for i := range 5000 {
		s.queue(work(int64(i+1), "", 0, fmt.Sprint(i), "big.test"))
	}
	for i := range 50 {
		s.queue(work(int64(9000+i), "", 0, "a", fmt.Sprint(i, ".test")))
	}
	got := shares(s, 52, func(e *entry) string { return e.domain })
	if got["big.test"] > 2 {
		t.Errorf("the big one had %d of 52 turns", got["big.test"])
	}
}

// TestLanesByWeight, and priorities within: nobody starves.
func TestLanesByWeight(t *testing.T) {
	s := newSched(Options{Concurrency: 1, Lanes: map[string]Lane{"a": {Weight: 30}, "b": {Weight: 10}}}.withDefaults())
	for i := range 20_000 {
		s.queue(work(int64(4*i+1), "a", 0, "x", "x.test"))
		s.queue(work(int64(4*i+2), "b", 0, "x", "x.test"))
		s.queue(work(int64(4*i+3), "b", 9, "x", "x.test"))
		s.queue(work(int64(4*i+4), "b", -9, "x", "x.test"))
	}
	got := shares(s, 10_000, func(e *entry) string { return fmt.Sprint(e.msg.lane(), e.msg.priority()) })
	// 30 : 10 : 80 : 1.25
	for name, want := range map[string]int{"a0": 2474, "b0": 825, "b9": 6598, "b-9": 103} {
		if n := got[name]; n < want*95/100-2 || n > want*105/100+2 {
			t.Errorf("%s: %d of 10,000, want %d", name, n, want)
		}
	}
}

// TestNobodySavesTurns: a lane that had nothing for long gets its share, and
// not all that it missed.
func TestNobodySavesTurns(t *testing.T) {
	s := newSched(Options{Concurrency: 1}.withDefaults())
	for i := range 10_000 {
		s.queue(work(int64(i+1), "", 0, "x", "x.test"))
	}
	shares(s, 5000, func(*entry) string { return "" })
	for i := range 1000 {
		s.queue(work(int64(20_000+i), "bulk", 0, "y", "y.test"))
	}
	if got := shares(s, 60, func(e *entry) string { return e.msg.lane() }); got["bulk"] < 9 || got["bulk"] > 11 {
		t.Errorf("%v", got)
	}
}

// TestHangingAttemptsMakeRoom: attempts that take long get places of their own.
func TestHangingAttemptsMakeRoom(t *testing.T) {
	s := newSched(Options{Concurrency: 10}.withDefaults())
	for i := range 40 {
		s.queue(work(int64(i+1), "", 0, "x", fmt.Sprint(i%20)))
	}
	n := 0
	for s.pick(1000) != nil {
		n++
	}
	if n != 10 {
		t.Fatalf("%d at once", n)
	}
	if next := s.slacken(500); next != 1000 {
		t.Errorf("next look at %d", next)
	}
	s.slacken(1000)
	var list []*entry
	for e := s.pick(2000); e != nil; e = s.pick(2000) {
		list = append(list, e)
	}
	if len(list) != 10 || s.slow != 10 {
		t.Errorf("%d more, %d slow", len(list), s.slow)
	}
	s.slacken(3000) // no more room: they stay
	if s.quick != 10 {
		t.Errorf("%d quick", s.quick)
	}
	for _, e := range list {
		s.done(e)
	}
	if s.quick != 0 || s.slow != 10 || s.head != nil {
		t.Errorf("%d quick, %d slow", s.quick, s.slow)
	}
}

// TestBacklog: the bucket that is due first is first, whatever is done.
func TestBacklog(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	b, model := newBacklog(), map[uint32]int64{}
	for range 100_000 {
		k, at := uint32(rng.IntN(500)), int64(rng.IntN(1000))
		switch rng.IntN(4) {
		case 0:
			b.set(k, never)
			delete(model, k)
		case 1:
			b.set(k, at)
			model[k] = at
		default:
			b.sooner(k, at)
			if old, ok := model[k]; !ok || at < old {
				model[k] = at
			}
		}
		first, when := b.next()
		if len(model) == 0 {
			if when != never {
				t.Fatal("not empty")
			}
			continue
		}
		if model[first] != when || b.time(first) != when {
			t.Fatalf("bucket %d at %d, want %d", first, when, model[first])
		}
		for _, at := range model {
			if at < when {
				t.Fatalf("%d is sooner than %d", at, when)
			}
			break
		}
	}
}

func BenchmarkSched(b *testing.B) {
	for _, dests := range []int{1, 10_000} {
		b.Run(fmt.Sprint(dests), func(b *testing.B) {
			s := newSched(Options{}.withDefaults())
			names := make([]string, dests)
			for i := range names {
				names[i] = fmt.Sprint(i, ".test")
			}
			e := make([]*entry, 20_000)
			for i := range e {
				e[i] = work(int64(i+1), "", 0, "x", names[i%dests])
				s.queue(e[i])
			}
			b.ReportAllocs()
			for b.Loop() {
				x := s.pick(0)
				s.done(x)
				s.queue(x)
			}
		})
	}
}

// TestFlowsOfOneNumber: mail of one sender to one domain may go two ways; each
// keeps its order, and what is removed is found.
func TestFlowsOfOneNumber(t *testing.T) {
	t.Parallel()
	s := newSched(DefaultOptions())
	a, b := s.dest(destKey{"out", "d.test"}), s.dest(destKey{"out", "d.test by b"})
	e := make([]*entry, 7)
	for i := 1; i < len(e); i++ {
		e[i] = work(int64(i), "", 0, "s", "d.test")
		s.add(e[i], [...]*dest{a, b}[i%2])
	}
	s.remove(e[2])
	s.remove(e[3])
	s.remove(e[6])
	if len(s.flows) != 2 {
		t.Errorf("%d flows", len(s.flows))
	}
	got := map[*dest][]int64{}
	for x := s.pick(0); x != nil; x = s.pick(0) {
		got[x.dest] = append(got[x.dest], x.id)
	}
	if fmt.Sprint(got[a], got[b]) != "[4] [1 5]" || s.queued != 0 || len(s.flows) != 0 {
		t.Errorf("%v, %v, %d left, %d flows", got[a], got[b], s.queued, len(s.flows))
	}
}
