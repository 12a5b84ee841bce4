package queue

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Delivery begins to queue a message for a route.
func (q *Queue) Delivery(route string) gateway.Preparer { return &delivery{q: q, route: route} }

// delivery is the queue's end of one transaction.
type delivery struct {
	q        *Queue
	route    string
	prepared map[*gateway.Copy][]*entry
}

// Commit implements gateway.Delivery: what it says 250 to is durable.
func (d *delivery) Commit(ctx context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	var err error
	if entries, ok := d.prepared[c]; ok {
		if err = d.q.activate(entries); err == nil {
			delete(d.prepared, c)
		}
	} else {
		_, err = d.q.put(ctx, c, d.route, false)
	}
	if err != nil {
		return nil, err
	}
	replies := make([]smtp.Reply, len(c.Rcpts))
	ok := smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Ok: queued as "+c.ID)
	if c.Kept != nil { // that is not the sender's to know
		ok.Text = "Ok"
	}
	for i := range replies {
		replies[i] = ok
	}
	return replies, nil
}

// Prepare implements gateway.Preparer.
func (d *delivery) Prepare(ctx context.Context, c *gateway.Copy) error {
	entries, err := d.q.put(ctx, c, d.route, true)
	if err != nil {
		return err
	}
	if d.prepared == nil {
		d.prepared = map[*gateway.Copy][]*entry{}
	}
	d.prepared[c] = entries
	return nil
}

// Abort implements gateway.Delivery.
func (d *delivery) Abort() {
	for _, entries := range d.prepared {
		d.q.journal.later(func(b *batch) { b.forget = append(b.forget, entries...) })
	}
	d.prepared = nil
}

// Submit queues mail that the gateway itself writes; route "": each recipient
// has its own.
func (q *Queue) Submit(ctx context.Context, c *gateway.Copy, route string) error {
	_, err := q.put(ctx, c, route, false)
	return err
}

// put stores a copy: its octets, then its rows.
func (q *Queue) put(ctx context.Context, c *gateway.Copy, route string, prepare bool) ([]*entry, error) {
	if err := q.reserve.Room(); err != nil {
		q.ready.failed.Store(true)
		q.trimSoon()
		return nil, fmt.Errorf("queue: store %s: %w: %w", c.ID, noRoom, err)
	}
	entries, err := q.entriesOf(c, route)
	if err != nil {
		return nil, err
	}
	if err := q.claimSpare(entries, c.Size); err != nil {
		return nil, fmt.Errorf("queue: %s: %w", c.ID, err)
	}
	if err := q.register(entries); err != nil {
		q.unclaim(entries)
		return nil, err
	}
	m := entries[0].msg
	note := q.noteOf(entries, c.Size, prepare)
	if err := q.appendBlob(ctx, m, c, note); err != nil {
		q.ready.failed.Store(ctx.Err() == nil) // else the client has gone
		q.unregister(entries)
		q.unclaim(entries)
		if note != nil && !q.refOf(m).IsZero() {
			q.ends.later(func(b *batch) { b.gone = append(b.gone, entries...) })
		}
		return nil, err
	}
	if note != nil && q.logged(entries[0]) {
		q.accepted(entries)
		return entries, nil
	}
	err = q.journal.do(func(b *batch) {
		if note != nil {
			b.void = append(b.void, entries...)
		}
		for _, e := range entries {
			switch {
			case prepare:
				b.prepare = append(b.prepare, e)
			case e.fresh:
				b.insert = append(b.insert, e)
			default:
				b.wait = append(b.wait, e)
			}
		}
	})
	if err != nil {
		q.ready.failed.Store(true)
		if note != nil {
			q.ends.later(func(b *batch) { b.gone = append(b.gone, entries...) })
		}
		q.unclaim(entries)
		q.giveUp(m)
		if errors.Is(err, syscall.ENOSPC) { // the database's
			err = fmt.Errorf("%w: %w", noRoom, err)
		}
		return nil, fmt.Errorf("queue: %s: %w", c.ID, err)
	}
	q.accepted(entries)
	return entries, nil
}

func (q *Queue) accepted(entries []*entry) {
	if q.ready.failed.Load() {
		q.ready.failed.Store(false)
	}
	if q.metrics != nil && !entries[0].apart() {
		q.metrics.accepted.Add(float64(len(entries)))
	}
}

// giveUp takes back messages that could not be written: their rows, which may
// be there if only the answer to the commit was lost, and their octets. It is a
// transaction so that it comes after the one that failed, wherever that is by
// now. Where it fails it is tried again; of very many the next start sees to it.
func (q *Queue) giveUp(list ...*message) {
	var refs []blob.Ref
	err := q.write(context.WithoutCancel(q.ctx), func(ctx context.Context, tx *sqldb.Tx) error {
		refs = refs[:0]
		for _, m := range list {
			if err := takeBack(ctx, tx, m); err != nil {
				return err
			}
			refs = append(refs, q.refOf(m))
		}
		return nil
	})
	if err == nil {
		q.blobs.Release(refs...)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.undo = append(q.undo, list[:max(0, min(len(list), maxUndo-len(q.undo)))]...)
	q.rewriteSoon()
}

// maxUndo is how many messages are remembered that giveUp could not take back,
// or that are in the log and were refused.
const maxUndo = 10_000

// takeBack removes the rows of m if there are any. If not it writes nothing,
// which works on a full disk too.
func takeBack(ctx context.Context, tx *sqldb.Tx, m *message) error {
	var left int
	last := m.first + m.entries - 1
	if err := tx.QueryRow(ctx, sqlLeft, m.first, last, m.first, last).Scan(&left); err != nil || left == 0 {
		return err
	}
	for _, query := range [...]string{sqlUndoNew, sqlUndoWaiting} {
		if _, err := tx.Exec(ctx, query, m.first, last); err != nil {
			return err
		}
	}
	return nil
}

// activate makes durable that prepared entries are to be sent.
func (q *Queue) activate(entries []*entry) error {
	return q.journal.do(func(b *batch) { b.activate = append(b.activate, entries...) })
}

// discard forgets an entry in memory. q.mu is held.
func (q *Queue) discard(e *entry) {
	if q.entries[e.id] != e {
		return
	}
	delete(q.entries, e.id)
	m := e.msg
	if m.users--; m.users > 0 {
		return
	}
	if data := m.data.Swap(nil); data != nil {
		q.kept.Add(-int64(len(*data)))
	}
}

// enter notes an entry in memory. q.mu is held.
func (q *Queue) enter(e *entry) {
	q.entries[e.id] = e
	e.msg.users++
}

var (
	errNobody = errors.New("queue: a message without recipients")
	errSize   = errors.New("queue: the message is not as long as was said")
	errTooBig = errors.New("queue: more recipients than a message may have")
)

// entriesOf makes the entries of a copy: one for each destination, or more
// where there are too many recipients for one attempt. route "": each recipient
// has its own.
func (q *Queue) entriesOf(c *gateway.Copy, route string) ([]*entry, error) {
	if len(c.Rcpts) == 0 {
		return nil, errNobody
	}
	if len(c.Rcpts) > maxEntries {
		return nil, errTooBig
	}
	o, now := q.options(), q.clock.now()
	m := &message{
		trace: c.ID, from: c.From, params: c.Params, user: c.User, queue: c.Queue, queued: now,
		eightBit: c.EightBit, utf8Header: c.UTF8Header,
	}
	m.notBefore = notBefore(&c.Params, now)
	m.params.HoldFor, m.params.HoldUntil = 0, time.Time{} // done here, and not asked of the next hop
	list := group(c.Rcpts, o.Recipients)
	if c.Kept != nil {
		list = apart(c)
	}
	m.entries = int64(len(list))
	m.first = q.ids.Add(m.entries) - m.entries + 1
	due := m.released()
	for i, e := range list {
		e.id, e.msg = m.first+int64(i), m
		if route != "" {
			e.route = route
		}
		e.due, e.since, e.hold = due, due, c.Queue.Hold
		if e.hold != "" {
			e.heldAt = now
		}
		e.flow = flowOf(e.route, e.domain, m.lane(), m.priority(), m.sender())
	}
	return list, nil
}

// notBefore returns when FUTURERELEASE lets a message go, 0: at once.
func notBefore(p *smtp.MailParams, now int64) int64 {
	at := int64(0)
	switch {
	case p.HoldFor > 0:
		at = now + p.HoldFor.Milliseconds()
	case !p.HoldUntil.IsZero():
		at = p.HoldUntil.UnixMilli()
	}
	if at <= now || at >= far {
		return 0
	}
	return at
}

// apart puts each recipient by himself, so that one can be released without the
// others.
func apart(c *gateway.Copy) (list []*entry) {
	for i := range c.Rcpts {
		one := group(c.Rcpts[i:i+1], 1)
		one[0].kept = c.Kept[i]
		list = append(list, one...)
	}
	return list
}

// group puts recipients of one domain and route together.
func group(rcpts []gateway.Recipient, most int) []*entry {
	if len(rcpts) == 1 {
		return []*entry{{domain: domainOf(rcpts[0].To.Address), route: rcpts[0].Route, rcpts: []recipient{{to: rcpts[0].To, params: rcpts[0].Params}}}}
	}
	var list []*entry
	open := map[[2]string]*entry{}
	for i := range rcpts {
		key := [2]string{domainOf(rcpts[i].To.Address), rcpts[i].Route}
		e := open[key]
		if e == nil || len(e.rcpts) >= most {
			e = &entry{domain: key[0], route: key[1]}
			open[key] = e
			list = append(list, e)
		}
		e.rcpts = append(e.rcpts, recipient{to: rcpts[i].To, params: rcpts[i].Params})
	}
	return list
}

// register notes entries that are being stored, and decides which of them are
// to be in memory afterwards.
func (q *Queue) register(entries []*entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	now := q.clock.now()
	for _, e := range entries {
		e.state = storing
		e.fresh = q.admits(e, now)
		q.enter(e)
	}
	return nil
}

// admits tells whether e is to be tried as soon as it is stored. q.mu is held.
func (q *Queue) admits(e *entry, now int64) bool {
	if e.stays() || e.due > now || len(q.entries) >= q.most {
		return false
	}
	d := q.peekDest(e)
	if d != nil && (d.down() || d.crowded(q.most-len(q.entries))) {
		return false
	}
	f := q.sched.flows[flowKey{d, e.flow}]
	return f == nil || f.n < maxFlow
}

func (q *Queue) unregister(entries []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range entries {
		q.discard(e)
	}
}
