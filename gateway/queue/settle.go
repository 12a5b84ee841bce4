package queue

import "github.com/gapura-mail/gapura/gateway/blob"

// stored goes on after b has been written, or could not be.
func (q *Queue) stored(b *batch) {
	q.mu.Lock()
	if b.err != nil {
		q.unwritten(b)
		q.mu.Unlock()
		return
	}
	if b.inRows {
		q.paused = false
	}
	for _, list := range [...][]*entry{b.insert, b.activate} {
		for _, e := range list {
			q.fresh(e)
		}
	}
	for _, e := range b.move {
		q.unlog(e)
	}
	if b.floor != 0 {
		q.raised(b.floor)
	}
	for _, e := range b.forget {
		q.discard(e)
		q.spare.giveBack(e)
	}
	for _, e := range b.wait {
		q.setApart(e)
		q.leave(e)
		q.waits(e)
	}
	for _, e := range b.settle {
		if b.undone && b.logOnly(e) {
			q.putOff(&batch{settle: []*entry{e}, late: true})
		} else {
			q.settled(e)
		}
	}
	if b.undone {
		q.putOffGone(b.gone)
	}
	q.dispatch()
	if q.starved && len(q.entries) < q.loadable()-loadMost {
		q.starved = false
		q.wake()
	}
	if len(b.release) > 0 && q.tidyAt == 0 {
		q.tidyAt = q.clock.now() + tidyEvery.Milliseconds()
		q.plan(q.tidyAt)
	}
	q.mu.Unlock()
	if len(b.release) > 0 {
		q.blobs.Release(b.release...)
	}
}

// fresh schedules an entry that has just become durable. q.mu is held.
func (q *Queue) fresh(e *entry) {
	e.fresh = true
	q.setApart(e)
	if e.stays() || e.due > q.clock.now() { // one of several copies: it was prepared
		q.spill(e)
		return
	}
	d := q.destOf(e)
	if d.down() {
		q.spill(e)
		return
	}
	q.alarmInMemory(e)
	q.sched.add(e, d)
}

// setApart counts what is in quarantine from now on.
func (q *Queue) setApart(e *entry) {
	if e.apart() {
		q.metrics.quarantined("kept", 1)
	}
}

// alarmInMemory notes when e must be looked at. q.mu is held.
func (q *Queue) alarmInMemory(e *entry) {
	if at := q.options().dueAlarm(e); at < q.memAlarm {
		q.memAlarm = at
		q.plan(at)
	}
}

// spill moves a new entry to where it waits on disk. q.mu is held.
func (q *Queue) spill(e *entry) {
	e.state, e.fate = settling, toWait
	q.journal.later(func(b *batch) { b.settle = append(b.settle, e) })
}

// leave takes an entry out of memory. q.mu is held.
func (q *Queue) leave(e *entry) {
	q.discard(e)
	for w := range q.watches {
		w.ids[e.id] = struct{}{}
	}
	n := e.bucket()
	b := q.buckets[n]
	if !e.loaded || b == nil {
		return
	}
	e.loaded = false
	b.loaded--
	if b.more && b.loaded <= loadAgain {
		b.more = false
		q.backlog.set(n, 0)
		q.plan(0)
	}
	if b.loaded <= 0 && !b.more {
		delete(q.buckets, n)
	}
}

// waits notes that e's row is in queue_waiting. q.mu is held.
func (q *Queue) waits(e *entry) {
	q.waiting.rows++
	if e.hold != "" && !e.apart() {
		q.waiting.held++
		return
	}
	if at := q.options().alarm(e, q.clock.now()); at < q.nextAlarm {
		q.nextAlarm = at
		q.plan(at)
	}
	if e.apart() {
		q.waiting.apart++
		return
	}
	if d := q.peekDest(e); d != nil && (d.down() || q.crowded(d)) && e.due <= q.clock.now() {
		d.park(e.bucket())
		return
	}
	q.backlog.sooner(e.bucket(), e.due)
	q.plan(e.due)
}

// settled goes on after an outcome is on record. q.mu is held.
func (q *Queue) settled(e *entry) {
	wasFresh := e.fresh
	q.unlog(e)
	q.leave(e)
	if !wasFresh {
		q.waiting.rows--
		if e.apart() {
			q.waiting.apart--
		}
	}
	if e.fate == toWait {
		q.waits(e)
	} else {
		q.spare.giveBack(e)
	}
	for _, n := range e.notices {
		q.fresh(n)
	}
	e.notices = nil
}

// unwritten keeps the outcomes of a batch that could not be written, until
// they can be: no attempt begins before that. q.mu is held.
func (q *Queue) unwritten(b *batch) {
	for _, list := range [...][]*entry{b.insert, b.prepare, b.wait} {
		for _, e := range list {
			q.discard(e)
		}
	}
	for _, e := range b.move {
		e.moving, e.doubt = false, true
	}
	q.putOffGone(b.gone)
	if len(b.settle)+len(b.forget)+len(b.activate)+len(b.move) == 0 && b.floor == 0 {
		return // whoever waits for it is told
	}
	if len(b.settle) > 0 {
		q.paused = true
	}
	q.log.Error("the queue cannot write to its database", "outcomes", len(b.settle), "error", b.err.Error())
	for _, e := range b.settle {
		q.putOff(&batch{settle: []*entry{e}, late: true})
	}
	if len(b.forget) > 0 {
		q.putOff(&batch{forget: b.forget, late: true})
	}
}

// putOff has b written in a while. q.mu is held.
func (q *Queue) putOff(b *batch) {
	q.late = append(q.late, b)
	q.rewriteSoon()
}

// putOffGone has these written in a while, together; those past maxUndo are
// sent after a crash, though they were refused. q.mu is held.
func (q *Queue) putOffGone(list []*entry) {
	if len(list) > 0 {
		q.gone = append(q.gone, list[:max(0, min(len(list), maxUndo-len(q.gone)))]...)
		q.rewriteSoon()
	}
}

// rewriteSoon has rewrite called; who comes while it is awaited puts nothing
// off any further. q.mu is held.
func (q *Queue) rewriteSoon() {
	if q.lateAt == 0 {
		q.lateAt = q.clock.now() + rewriteTime.Milliseconds()
		q.plan(q.lateAt)
	}
}

// rewrite writes what could not be written before, each by itself, so that one
// that cannot be written keeps no other from it. Where two in a row cannot be,
// nothing can: the rest waits, and is tried first the next time.
func (q *Queue) rewrite() {
	q.mu.Lock()
	list, undo, gone := q.late, q.undo, q.gone
	q.late, q.undo, q.gone, q.lateAt = nil, nil, nil, 0
	q.mu.Unlock()
	if len(undo) > 0 {
		q.giveUp(undo...)
	}
	if len(gone) > 0 {
		list = append(list, &batch{gone: gone, late: true})
	}
	failures := 0
	for i, b := range list {
		b.done = make(chan struct{})
		q.journal.commit(b)
		if b.err == nil {
			failures = 0
		} else if failures++; failures == 2 {
			q.mu.Lock()
			q.late = append(list[i+1:len(list):len(list)], q.late...)
			q.mu.Unlock()
			return
		}
	}
}

// watch notes which entries leave memory while rows are being read: what was
// read of them may be older than what they are.
type watch struct {
	ids   map[int64]struct{}
	moved map[blob.Ref]blob.Ref // octets, meanwhile
}

func (q *Queue) watch() *watch {
	w := &watch{map[int64]struct{}{}, map[blob.Ref]blob.Ref{}}
	q.mu.Lock()
	q.watches[w] = struct{}{}
	q.mu.Unlock()
	return w
}

func (q *Queue) unwatch(w *watch) {
	q.mu.Lock()
	delete(q.watches, w)
	q.mu.Unlock()
}

// left tells whether an entry has left.
func (w *watch) left(id int64) bool { _, ok := w.ids[id]; return ok }

// place corrects where the octets of an entry are that was read.
func (w *watch) place(e *entry) {
	for ref, ok := w.moved[e.msg.ref]; ok; ref, ok = w.moved[e.msg.ref] {
		e.msg.ref = ref
	}
}
