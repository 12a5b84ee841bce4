package queue

import (
	"fmt"
	"log/slog"
	"sync"
)

// alarmBatch is how many rows are looked after at a time.
const alarmBatch = 200

// lookers is how many are looked after at the same time: each may write a
// notification.
const lookers = 8

// alarms begins to look after what is late or has become too old without an
// attempt: its destination is down, or its next attempt is far. It goes on
// beside the runner.
func (q *Queue) alarms() {
	now := q.clock.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.memAlarm <= now {
		q.alarmsInMemory(now)
	}
	if q.nextAlarm > now || q.alarming || q.closed {
		return
	}
	q.alarming, q.nextAlarm = true, never // others may set it meanwhile
	q.wg.Go(func() {
		next, err := q.alarmsOnDisk(now)
		if err != nil {
			q.log.Error("the queue cannot read its database", "error", err.Error())
			next = q.clock.now() + readRetry.Milliseconds()
		}
		q.mu.Lock()
		q.alarming = false
		q.nextAlarm = min(q.nextAlarm, next)
		q.plan(q.nextAlarm)
		q.mu.Unlock()
	})
}

// lookAfter looks after many.
func (q *Queue) lookAfter(list []*entry) {
	var wg sync.WaitGroup
	todo := make(chan *entry)
	for range min(lookers, len(list)) {
		wg.Go(func() {
			for e := range todo {
				q.look(e)
			}
		})
	}
	for _, e := range list {
		todo <- e
	}
	close(todo)
	wg.Wait()
}

// alarmsInMemory looks after entries that are ready and do not get their turn.
// q.mu is held.
func (q *Queue) alarmsInMemory(now int64) {
	q.memAlarm = never
	var late []*entry
	for _, e := range q.entries {
		if e.state != ready {
			continue
		}
		at := q.options().dueAlarm(e)
		if at > now {
			q.memAlarm = min(q.memAlarm, at)
			continue
		}
		if q.options().returnAt(e) <= now {
			continue // its next attempt is its last
		}
		q.sched.remove(e)
		q.relieve(e.dest)
		e.state = settling
		late = append(late, e)
	}
	if len(late) == 0 {
		return
	}
	q.wg.Go(func() { q.lookAfter(late) })
}

// alarmsOnDisk looks after rows, and returns when the next one wants it. It goes
// on when what it found is on record: what expires all at once is not one
// transaction for which new mail waits.
func (q *Queue) alarmsOnDisk(now int64) (int64, error) {
	for at, id := int64(0), int64(0); ; {
		w := q.watch()
		list, last, err := q.readAlarms(now, at, id)
		list = q.claim(list, w)
		q.unwatch(w)
		if err != nil {
			return 0, err
		}
		q.lookAfter(list)
		if len(list) > 0 && q.journal.do(func(*batch) {}) != nil {
			return q.clock.now() + readRetry.Milliseconds(), nil // the runner writes it again
		}
		if q.ctx.Err() != nil || q.over() {
			return never, nil
		}
		if last.n < alarmBatch {
			break
		}
		at, id = last.alarm, last.id
	}
	var next int64
	if err := q.db.Read().QueryRow(q.ctx, sqlNextAlarm, far, now).Scan(&next); err != nil {
		return 0, fmt.Errorf("queue: %w", err)
	}
	if next >= far {
		next = never
	}
	return next, nil
}

// place is where a query ended.
type place struct {
	alarm, id int64
	n         int
}

func (q *Queue) readAlarms(now, at, id int64) (list []*entry, last place, err error) {
	rows, err := q.db.Read().Query(q.ctx, sqlAlarms, now, at, at, id, alarmBatch)
	if err != nil {
		return nil, last, fmt.Errorf("queue: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var due, takes int64
		e, err := scanEntry(rows, &due, &last.alarm, &takes)
		if e == nil {
			return nil, last, err
		}
		last.n++
		last.id = e.id
		if err != nil {
			go q.bury([]int64{e.id})
			continue
		}
		e.due, e.takes = due, takes
		list = append(list, e)
	}
	return list, last, rows.Err()
}

// claim takes entries that were read into memory, but for those that are
// there or have changed meanwhile.
func (q *Queue) claim(list []*entry, w *watch) (mine []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range list {
		if w.left(e.id) || q.entries[e.id] != nil || q.closed {
			continue
		}
		e.state = settling
		w.place(e)
		q.enter(e)
		mine = append(mine, e)
	}
	return mine
}

// look sees to an entry, which is in nobody else's hands, without an attempt:
// the sender is told that it is late; or it goes back, if its destination is
// known to be down; or it gets a last attempt.
func (q *Queue) look(e *entry) {
	if e.apart() {
		q.forget(e)
		return
	}
	v := &verdict{now: q.clock.now(), rcpts: make([]ruling, len(e.rcpts))}
	q.mu.Lock()
	d := q.peekDest(e)
	var why reply
	dead := d != nil && d.down()
	if dead {
		why = d.last
	}
	q.mu.Unlock()
	over := q.options().returnAt(e) <= v.now
	last := over && !dead && v.now < e.msg.deadline()
	for i := range e.rcpts {
		r, x := &e.rcpts[i], &v.rcpts[i]
		x.Reply, x.MTA, x.Local = r.last.Reply, r.last.mta, r.last.local
		if dead && x.Reply.IsZero() {
			x.Reply, x.MTA, x.Local = why.Reply, why.mta, why.local
		}
		if x.Reply.IsZero() {
			x.Reply, x.Local = notTried, true
		}
		rest := *r
		switch {
		case over && !last:
			x.Result, x.expire = Failed, true
			if wants(r, failed) {
				x.tell = failed
			}
			continue
		case v.now >= q.options().warnFor(e, r):
			x.tell, rest.warned = delayed, true
		}
		v.rest = append(v.rest, rest)
	}
	q.reportAge(e, v)
	q.notify(e, v)
	q.looked(e, v, last)
}

// forget drops what was in quarantine for long enough.
func (q *Queue) forget(e *entry) {
	o, now := q.options(), q.clock.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	e.fate = toWait // it may be kept for longer than when its row was written
	if o.forgetAt(e) <= now {
		e.fate = toGo
	}
	if e.wish == toRemove {
		e.fate, e.wish = toGo, noWish
	}
	if e.fate == toGo {
		q.metrics.quarantined("expired", 1)
		q.log.LogAttrs(q.ctx, slog.LevelInfo, "quarantine expired", slog.String("id", e.msg.trace),
			slog.String("from", e.msg.from.Path()), slog.String("to", e.rcpts[0].to.Path()), slog.String("rule", e.kept.Rule))
	}
	q.journal.later(func(b *batch) { b.settle = append(b.settle, e) })
}

// looked stores what look found.
func (q *Queue) looked(e *entry, v *verdict, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.rcpts, e.fate = v.rest, toWait
	if len(v.rest) == 0 || e.wish == toRemove {
		e.fate = toGo
	}
	if last {
		e.due = min(e.due, v.now)
	}
	if e.wish == toHold {
		e.hold, e.heldAt = e.reason, v.now
	}
	e.wish = noWish
	if e.fresh {
		e.due = min(e.due, v.now)
	}
	q.journal.later(func(b *batch) { b.settle = append(b.settle, e) })
}
