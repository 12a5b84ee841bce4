package queue

import "slices"

// destKey names a next hop: a route and what its transport tells apart there.
type destKey struct{ route, hop string }

// dest is a next hop that has something to do, or about which something is
// known.
type dest struct {
	key    destKey
	active int
	ready  int // entries for it in the scheduler
	window int // attempts that it gets at once
	queues []*destQueue

	failures int   // in a row, of the whole destination
	until    int64 // it is left alone until then; 0: it works, as far as is known
	last     reply // why
	// parked are the buckets whose rows wait until it works, or until less for
	// it is in memory.
	parked map[uint32]struct{}
	at     int // in the heap of those that are down, plus 1
	// probing: it was down, and one entry finds out whether it is still.
	probing bool
	// paused: it works, and is left alone for a moment.
	paused bool
}

// down tells whether nothing is to be tried there.
func (d *dest) down() bool { return d.until != 0 && !d.probing && !d.paused }

// available tells whether an attempt may begin.
func (d *dest) available() bool {
	switch {
	case d.paused:
		return false
	case d.until != 0:
		return d.probing && d.active == 0
	}
	return d.active < d.window
}

// withdraw takes what waits for d from where it can be picked.
func (d *dest) withdraw() {
	for _, q := range d.queues {
		q.withdraw()
	}
}

func (d *dest) forget(q *destQueue) {
	d.queues = slices.DeleteFunc(d.queues, func(x *destQueue) bool { return x == q })
}

// dest returns the next hop called key.
func (s *sched) dest(key destKey) *dest {
	d := s.dests[key]
	if d == nil {
		if len(s.dests) > max(maxIdleDests+s.queued, s.sweepAt) {
			s.sweep()
		}
		d = &dest{key: key, window: min(firstWindow, s.perDest)}
		s.dests[key] = d
	}
	return d
}

// idle tells whether d has nothing to do and nothing waits for it.
func (d *dest) idle() bool {
	return d.active == 0 && len(d.queues) == 0 && len(d.parked) == 0
}

// prune forgets d when nothing would be lost.
func (s *sched) prune(d *dest) {
	if d.idle() && d.until == 0 && d.window <= firstWindow {
		delete(s.dests, d.key)
	}
}

// sweep forgets all destinations that have nothing to do.
func (s *sched) sweep() {
	for key, d := range s.dests {
		if d.idle() {
			delete(s.dests, key)
		}
	}
	s.swept++
	s.sweepAt = 2 * len(s.dests) // what is left has something to do
}

// worked notes that d has answered; what is parked there may go on: it is
// returned.
func (s *sched) worked(d *dest) (parked []uint32) {
	if d.window < s.perDest {
		d.window++
	}
	if d.until == 0 || d.paused {
		return nil
	}
	return s.release(d)
}

// pause leaves d alone until a time that comes soon; what is ready for it
// stays.
func (s *sched) pause(d *dest, until int64) {
	d.until, d.paused = max(until, d.until), true
	d.withdraw()
}

// resume ends pause.
func (s *sched) resume(d *dest) {
	d.until, d.paused = 0, false
	s.reoffer(d)
	s.prune(d)
}

// release makes d one that works, as far as is known.
func (s *sched) release(d *dest) (parked []uint32) {
	d.failures, d.until, d.probing, d.paused, d.last = 0, 0, false, false, reply{}
	for b := range d.parked {
		parked = append(parked, b)
	}
	d.parked = nil
	slices.Sort(parked)
	s.reoffer(d)
	return parked
}

// failed notes at now that d is to be left alone until a later time. What was
// ready for it is returned, and not in the scheduler any more.
func (s *sched) failed(d *dest, until int64, why reply) []*entry {
	d.failures++
	d.until, d.last, d.probing, d.paused = until, why, false, false
	d.window = max(1, min(firstWindow, s.perDest))
	return s.drain(d)
}

// drain takes out everything that is ready for d.
func (s *sched) drain(d *dest) (out []*entry) {
	for len(d.queues) > 0 {
		q := d.queues[0]
		for !q.flows.empty() {
			out = append(out, s.take(q))
		}
		q.withdraw()
		d.forget(q)
	}
	return out
}

// park notes that the rows of bucket wait for d.
func (d *dest) park(bucket uint32) {
	if d.parked == nil {
		d.parked = map[uint32]struct{}{}
	}
	d.parked[bucket] = struct{}{}
}

// share is how much of the room that is left in memory a destination may have
// of its own: so there is always some for others, however many are slow.
const share = 4

// minReady is what every destination may have in memory.
const minReady = 10

// crowded tells whether d has its share of the room for entries in memory, of
// which so many are left.
func (d *dest) crowded(room int) bool { return d.ready >= max(minReady, room/share) }
