package queue

import "math"

// sched decides what is tried next. It is not safe for concurrent use, does
// no work of its own and knows the time only from its caller.
//
// What is ready waits in flows: one for each lane, priority, destination and
// sender. A pick goes down a tree: among classes (a lane and a priority) by
// weight, among the class's destinations in turn, among the destination's
// senders in turn, and takes the flow's oldest. So what one of them has
// waiting costs the others nothing but its own turn.
type sched struct {
	limit, perDest int // attempts at once, in all and at one destination
	lanes          map[string]*lane
	classes        []*class
	dests          map[destKey]*dest
	flows          map[flowKey]*flow

	queued     int // entries that are ready
	swept      int // times that sweep has looked through all destinations
	sweepAt    int // destinations when it does again
	quick      int // attempts that run and are not slow
	slow       int // attempts that take long; they have places of their own
	now        float64
	head, tail *entry // quick attempts, the oldest first
}

// lane is a lane in use.
type lane struct {
	name          string
	weight, limit int
	active        int
}

// class is what shares a lane and a priority.
type class struct {
	lane   *lane
	prio   int
	stride float64
	pass   float64
	ring   list[*destQueue] // destinations that can take an attempt
}

// destQueue is what a class has for a destination.
type destQueue struct {
	class  *class
	dest   *dest
	flows  list[*flow]
	link   links[*destQueue]
	inRing bool
}

// flowKey is a flow's number, and where it leads: mail of one sender to one
// domain may go different ways.
type flowKey struct {
	dest   *dest
	number uint64
}

// flow is what one sender has in a destQueue, the oldest first.
type flow struct {
	key         flowKey
	queue       *destQueue
	first, last *entry
	n           int
	link        links[*flow]
}

// firstWindow is how many attempts a destination gets at once before it has
// taken any mail.
const firstWindow = 5

// maxIdleDests is how many destinations are remembered that have nothing to
// do.
const maxIdleDests = 20_000

func newSched(o Options) *sched {
	s := &sched{lanes: map[string]*lane{}, dests: map[destKey]*dest{}, flows: map[flowKey]*flow{}}
	s.configure(o)
	return s
}

// configure takes new options over; what is ready stays where it is.
func (s *sched) configure(o Options) {
	s.limit, s.perDest = o.Concurrency, o.PerDestination
	for _, l := range s.lanes {
		l.weight, l.limit = o.Lanes[DefaultLane].Weight, 0 // gone from the configuration
	}
	for name, opt := range o.Lanes {
		l := s.lanes[name]
		if l == nil {
			l = &lane{name: name}
			s.lanes[name] = l
		}
		l.weight, l.limit = opt.Weight, opt.Limit
	}
	for _, c := range s.classes {
		c.stride = strideOf(c.lane, c.prio)
	}
	for _, d := range s.dests {
		d.window = min(d.window, s.perDest)
	}
}

// strideOf is how much of its turn a class uses up with an attempt. Three
// steps of priority double the share, so that none is starved.
func strideOf(l *lane, prio int) float64 { return math.Exp2(-float64(prio)/3) / float64(l.weight) }

// laneOf returns the lane of a message; one that is not configured any more
// is the default one.
func (s *sched) laneOf(name string) *lane {
	if l := s.lanes[name]; l != nil {
		return l
	}
	return s.lanes[DefaultLane]
}

func (s *sched) class(l *lane, prio int) *class {
	for _, c := range s.classes {
		if c.lane == l && c.prio == prio {
			return c
		}
	}
	c := &class{lane: l, prio: prio, stride: strideOf(l, prio)}
	s.classes = append(s.classes, c)
	return c
}

// add makes e ready for an attempt at d.
func (s *sched) add(e *entry, d *dest) { s.put(e, d, false) }

// putBack is add for an entry that was picked in vain: it is the next again.
func (s *sched) putBack(e *entry, d *dest) { s.put(e, d, true) }

func (s *sched) put(e *entry, d *dest, front bool) {
	e.state, e.dest, e.next = ready, d, nil
	s.queued++
	d.ready++
	key := flowKey{d, e.flow}
	f := s.flows[key]
	if f == nil {
		f = &flow{key: key}
		s.flows[key] = f
		f.queue = s.queueAt(s.class(s.laneOf(e.msg.lane()), e.msg.priority()), d)
		f.queue.flows.pushBack(f)
	}
	switch {
	case f.first == nil:
		f.first, f.last = e, e
	case front:
		e.next, f.first = f.first, e
	default:
		f.last.next, f.last = e, e
	}
	f.n++
	s.offer(f.queue)
}

func (s *sched) queueAt(c *class, d *dest) *destQueue {
	for _, q := range d.queues {
		if q.class == c {
			return q
		}
	}
	q := &destQueue{class: c, dest: d}
	d.queues = append(d.queues, q)
	return q
}

// offer puts q where it can be picked, if it can.
func (s *sched) offer(q *destQueue) {
	if q.inRing || q.flows.empty() || !q.dest.available() {
		return
	}
	if q.class.ring.empty() && q.class.pass < s.now {
		q.class.pass = s.now // nobody saves turns
	}
	q.inRing = true
	q.class.ring.pushBack(q)
}

func (q *destQueue) withdraw() {
	if q.inRing {
		q.inRing = false
		q.class.ring.remove(q)
	}
}

// pick takes the next entry to be tried, nil when there is none or no place;
// its attempt begins at now and ends with done.
func (s *sched) pick(now int64) *entry {
	if s.quick >= s.limit {
		return nil
	}
	var best *class
	for _, c := range s.classes {
		if !c.ring.empty() && (c.lane.limit == 0 || c.lane.active < c.lane.limit) && (best == nil || c.pass < best.pass) {
			best = c
		}
	}
	if best == nil {
		return nil
	}
	s.now = best.pass
	best.pass += best.stride
	q := best.ring.front()
	q.withdraw()
	e := s.take(q)
	e.state, e.began, e.slow = running, now, false
	e.lane = best.lane
	e.lane.active++
	q.dest.active++
	s.quick++
	s.pushRunning(e)
	if q.dest.available() {
		s.offer(q)
	} else {
		q.dest.withdraw()
	}
	return e
}

// take takes the next entry of q, which has one.
func (s *sched) take(q *destQueue) *entry {
	f := q.flows.front()
	e := f.first
	f.first, e.next = e.next, nil
	f.n--
	s.queued--
	e.dest.ready--
	q.flows.remove(f)
	if f.first != nil {
		q.flows.pushBack(f)
	} else {
		s.dropFlow(f)
	}
	return e
}

func (s *sched) dropFlow(f *flow) {
	delete(s.flows, f.key)
	if f.queue.flows.empty() {
		f.queue.withdraw()
		f.queue.dest.forget(f.queue)
	}
}

// remove takes an entry out that is ready.
func (s *sched) remove(e *entry) {
	f := s.flows[flowKey{e.dest, e.flow}]
	var prev *entry
	for x := f.first; x != e; x = x.next {
		prev = x
	}
	if prev == nil {
		f.first = e.next
	} else {
		prev.next = e.next
	}
	if f.last == e {
		f.last = prev
	}
	e.next = nil
	f.n--
	s.queued--
	e.dest.ready--
	if f.first == nil {
		f.queue.flows.remove(f)
		s.dropFlow(f)
	}
	s.prune(e.dest)
}

// done ends the attempt at e.
func (s *sched) done(e *entry) {
	s.dropRunning(e)
	if e.slow {
		s.slow--
	} else {
		s.quick--
	}
	e.lane.active--
	e.dest.active--
	s.reoffer(e.dest)
	s.prune(e.dest)
}

// reoffer puts what waits for d where it can be picked.
func (s *sched) reoffer(d *dest) {
	if !d.available() {
		return
	}
	for _, q := range d.queues {
		s.offer(q)
	}
}

// slacken gives attempts that began before since places of their own, as long
// as there are some, so that what hangs does not hold up the rest. It returns
// when the oldest that is left began, 0: there is none.
func (s *sched) slacken(since int64) int64 {
	for e := s.head; e != nil; e = s.head {
		if e.began > since {
			return e.began
		}
		if s.slow >= s.limit {
			return 0
		}
		s.dropRunning(e)
		e.slow = true
		s.quick--
		s.slow++
	}
	return 0
}

func (s *sched) pushRunning(e *entry) {
	e.older, e.newer = s.tail, nil
	if s.tail != nil {
		s.tail.newer = e
	} else {
		s.head = e
	}
	s.tail = e
}

// dropRunning takes e out of the quick attempts, if it is there.
func (s *sched) dropRunning(e *entry) {
	if e.slow {
		return
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.head = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.tail = e.older
	}
	e.older, e.newer = nil, nil
}
