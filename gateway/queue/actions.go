package queue

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Action is what administrators do with messages in the queue.
type Action string

// The actions.
const (
	// Retry tries them now; a destination that is down too. What is held, or is
	// not to leave before a time (FUTURERELEASE), stays.
	Retry Action = "retry"
	// Hold keeps them until they are released; they do not grow old meanwhile.
	Hold Action = "hold"
	// Release ends Hold. What is Quarantined goes to its recipients.
	Release Action = "release"
	// Remove takes them out of the queue; nobody is told.
	Remove Action = "remove"
)

// Change is what Act is to do.
type Change struct {
	Action Action `json:"action"`
	Filter Filter `json:"filter"`
	Reason string `json:"reason,omitempty"` // of Hold
	// Before is called with what is released from quarantine, just before it is:
	// nobody else changes it any more, and its octets are certainly there. nil: nobody
	// wants to know.
	Before func(ctx context.Context, it *Item) `json:"-"`
}

func (c *Change) check() error {
	switch c.Action {
	case Retry, Hold, Release, Remove:
	default:
		return fmt.Errorf("queue: there is no action %q", c.Action)
	}
	if c.Filter.State == Quarantined && c.Action != Release && c.Action != Remove {
		return fmt.Errorf("queue: what is in quarantine cannot %s", c.Action)
	}
	c.Reason = cmp.Or(c.Reason, "held by an administrator")
	c.Reason = c.Reason[:min(len(c.Reason), maxHoldReason)]
	return c.Filter.check()
}

// apply makes of a waiting row what the action wants; false: it is that
// already.
func (c *Change) apply(e *entry, state State, now int64) (fate, bool) {
	held := state == Held
	switch c.Action {
	case Remove:
		return toGo, true
	case Release:
		if state == Quarantined { // its age counts from now on
			e.freed, e.since, e.due = now, now, now
			e.hold, e.heldAt = "", 0
			return toWait, true
		}
		if !held {
			return toWait, false
		}
		e.since += max(0, now-e.heldAt) // it does not grow old while it is held
		e.hold, e.heldAt, e.due = "", 0, max(now, e.msg.notBefore)
	case Hold:
		if held {
			return toWait, false
		}
		e.hold, e.heldAt = c.Reason, now
	case Retry:
		if held || e.msg.notBefore > now {
			return toWait, false
		}
		e.due = now
		e.byHand++
	}
	return toWait, true
}

// actBatch is how many rows are changed in one transaction.
const actBatch = 500

// Act does what an administrator wants, to messages that run as soon as their
// attempt has ended, and returns how many entries that were; progress, if not
// nil, is called from time to time with how many there are so far.
func (q *Queue) Act(ctx context.Context, c Change, progress func(n int)) (total int, err error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	total = q.actInMemory(&c)
	tell(progress, total)
	w := q.watch()
	defer q.unwatch(w)
	for again := 3; again > 0; again-- {
		missed := false
		err := eachBatch(ctx, q.db, &c, q.clock.now(), func(b *batch) error {
			all := len(b.settle)
			n, err := q.actOnRows(ctx, &c, b, w)
			total += n
			missed = missed || n < all
			tell(progress, total)
			return err
		})
		if err != nil || !missed {
			return total, err
		}
	}
	return total, nil
}

func tell(progress func(int), n int) {
	if progress != nil {
		progress(n)
	}
}

// actInMemory acts on what is in memory.
func (q *Queue) actInMemory(c *Change) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.now()
	for _, e := range q.entries {
		if c.Filter.fits(e, Active) && q.actOn(c, e, now) {
			n++
		}
	}
	return n
}

// actOn acts on an entry in memory. q.mu is held.
func (q *Queue) actOn(c *Change, e *entry, now int64) bool {
	switch e.state {
	case running:
		return e.wishes(c)
	case ready:
		if c.Action != Hold && c.Action != Remove {
			return false // it is about to be tried
		}
		q.sched.remove(e)
		if d := e.dest; d.probing && d.active == 0 && len(d.queues) == 0 && d.at == 0 { // it was the one to find out
			q.downs.put(d)
			q.plan(now)
		}
		q.relieve(e.dest)
		e.fate, _ = c.apply(e, Active, now)
		e.state = settling
		q.journal.later(func(b *batch) { b.settle = append(b.settle, e) })
		return true
	}
	return false
}

// wishes notes what is to become of e when its attempt has ended, as apply does
// with rows: what is removed stays so, and what is held is only released.
func (e *entry) wishes(c *Change) bool {
	switch {
	case c.Action == Remove:
		e.wish = toRemove
	case e.wish == toRemove:
		return false
	case c.Action == Release:
		if e.wish != toHold {
			return false
		}
		e.wish = noWish
	case e.wish == toHold:
		return false
	case c.Action == Hold:
		e.wish, e.reason = toHold, c.Reason
	case c.Action == Retry:
		e.wish = toRetry
	}
	return true
}

// tryAgain ends what is known of e's destination, if that is down. q.mu is
// held.
func (q *Queue) tryAgain(e *entry) {
	if d := q.peekDest(e); d != nil && d.until != 0 && !d.paused {
		q.downs.remove(d)
		q.unpark(q.sched.release(d))
	}
}

// actOnRows writes changed rows; those that have come into memory meanwhile
// are acted on there, and those that have changed since w began are left out.
func (q *Queue) actOnRows(ctx context.Context, c *Change, b *batch, w *watch) (n int, err error) {
	q.mu.Lock()
	free, now := b.settle[:0], q.clock.now()
	for _, e := range b.settle {
		if x := q.entries[e.id]; x != nil {
			if q.actOn(c, x, now) {
				n++
			}
			continue
		}
		if !w.left(e.id) {
			e.state = settling
			w.place(e)
			q.enter(e)
			free = append(free, e)
		}
	}
	b.settle = free
	q.mu.Unlock()
	c.before(ctx, b, func(e *entry) *Item {
		q.refs.RLock()
		defer q.refs.RUnlock()
		it := item(q.options(), e, e.was)
		it.open = func(ctx context.Context) (io.ReadCloser, error) { return q.open(ctx, e.msg) }
		return it
	})
	q.rows.lock()
	err = q.writeRows(ctx, b)
	q.rows.unlock()
	q.mu.Lock()
	for _, e := range b.settle {
		q.leave(e)
		if err != nil {
			continue
		}
		q.waiting.rows--
		switch e.was {
		case Held:
			q.waiting.held--
		case Quarantined:
			q.waiting.apart--
			q.spare.giveBack(e)
			q.metrics.quarantined(map[Action]string{Release: "released", Remove: "removed"}[c.Action], 1)
		}
		if c.Action == Retry {
			q.tryAgain(e)
		}
		if e.fate == toWait {
			q.waits(e)
		}
	}
	q.mu.Unlock()
	if err != nil {
		return n, fmt.Errorf("queue: %w", err)
	}
	q.blobs.Release(b.release...)
	return n + len(b.settle), nil
}

// before tells of what is released from quarantine.
func (c *Change) before(ctx context.Context, b *batch, item func(*entry) *Item) {
	for _, e := range b.settle {
		if c.Before != nil && e.was == Quarantined {
			c.Before(ctx, item(e))
		}
	}
}

// eachBatch goes through the rows of queue_waiting that c is about, and gives
// what they are to be in batches.
func eachBatch(ctx context.Context, db *sqldb.DB, c *Change, now int64, write func(b *batch) error) error {
	b := &batch{}
	flush := func() error {
		if len(b.settle) == 0 {
			return nil
		}
		err := write(b)
		b = &batch{}
		return err
	}
	f := c.Filter
	if f.State == Active {
		return nil
	}
	err := eachWaiting(ctx, db, &f, func(e *entry, state State) error {
		fate, changes := c.apply(e, state, now)
		if !changes {
			return nil
		}
		e.fate, e.was = fate, state
		b.settle = append(b.settle, e)
		if len(b.settle) < actBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// offline is a queue that writes rows, and does nothing else.
func offline(db *sqldb.DB, opt Options) *Queue {
	opt = opt.withDefaults()
	q := &Queue{db: db, write: db.Write, clock: clock{time.Now()}}
	q.opt.Store(&opt)
	return q
}

// ActOffline is Act for a queue that no process has open. Space is reclaimed
// when it is opened next time.
func ActOffline(ctx context.Context, db *sqldb.DB, opt Options, c Change, progress func(n int)) (total int, err error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	q := offline(db, opt)
	if err := migrate(ctx, db); err != nil {
		return 0, err
	}
	if err := q.recoverNew(ctx); err != nil {
		return 0, err
	}
	err = eachBatch(ctx, db, &c, q.clock.now(), func(b *batch) error {
		c.before(ctx, b, func(e *entry) *Item { return item(q.options(), e, e.was) })
		err := db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			b.release = b.release[:0]
			return q.store(ctx, tx, b)
		})
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		total += len(b.settle)
		tell(progress, total)
		return nil
	})
	return total, err
}
