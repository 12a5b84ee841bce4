package queue

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// dispatch begins as many attempts as there are places. q.mu is held.
func (q *Queue) dispatch() {
	for {
		e := q.pick()
		if e == nil {
			return
		}
		q.wg.Add(1)
		q.crew.Go(func() {
			defer q.wg.Done()
			q.work(e)
		})
	}
}

// pick takes the next entry to be tried. q.mu is held.
func (q *Queue) pick() *entry {
	if q.paused || q.closed || !q.started {
		return nil
	}
	now := q.clock.now()
	first := q.sched.head == nil
	e := q.sched.pick(now)
	if e != nil && first {
		q.plan(now + slowAfter.Milliseconds())
	}
	return e
}

// work tries entries until there is none left for it.
func (q *Queue) work(e *entry) {
	for e != nil {
		e = q.try(e)
	}
}

// try makes an attempt at e and returns the next entry to be tried.
func (q *Queue) try(e *entry) *entry {
	q.mu.Lock()
	t := q.transports[e.route]
	q.mu.Unlock()
	job := q.job(e)
	began := time.Now()
	outs := deliver(q.ctx, t, job)
	r := q.judge(e, outs)
	r.absent = t == nil
	r.tried = r.tried && !r.absent
	q.report(e, r, time.Since(began))
	q.notify(e, r)
	return q.conclude(e, r)
}

// Replies of ours.
var (
	noRoute   = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 5}, "no such route is configured any more")
	noOutcome = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "the attempt ended without an answer")
	notTried  = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 5}, "it has not been its turn yet")
)

// deliver has the transport try, and gives an outcome to each recipient.
func deliver(ctx context.Context, t Transport, job *Job) []Outcome {
	if t == nil {
		return same(len(job.Rcpts), Outcome{Reply: noRoute, Local: true, Destination: true})
	}
	outs := t.Deliver(ctx, job)
	if len(outs) < len(job.Rcpts) {
		missing := same(len(job.Rcpts)-len(outs), Outcome{Reply: noOutcome, Local: true})
		outs = append(outs[:len(outs):len(outs)], missing...)
	}
	return outs
}

func same(n int, o Outcome) []Outcome {
	list := make([]Outcome, n)
	for i := range list {
		list[i] = o
	}
	return list
}

// job describes an attempt at e.
func (q *Queue) job(e *entry) *Job {
	m := e.msg
	job := &Job{
		ID: m.trace, From: m.from, Params: m.params, Route: e.route, Destination: e.domain, User: m.user, Queue: m.queue,
		Attempt: e.attempts + 1, Queued: wall(m.queued), Size: q.refOf(m).Size, EightBit: m.eightBit, UTF8Header: m.utf8Header,
		Rcpts: make([]gateway.Recipient, len(e.rcpts)),
		Open:  func() (io.ReadCloser, error) { return q.openFor(e) },
	}
	job.Queue.Released = e.freed != 0
	for i := range e.rcpts {
		job.Rcpts[i] = gateway.Recipient{To: e.rcpts[i].to, Params: e.rcpts[i].params, Route: e.route}
	}
	if by := &job.Params.DeliverBy; by.Set { // what is left of it: RFC 2852 section 4.1.4
		by.Within = time.Duration(m.deadline()-q.clock.now()) * time.Millisecond
	}
	return job
}

// verdict is what becomes of an entry after an attempt, or without one.
type verdict struct {
	now    int64
	rcpts  []ruling
	rest   []recipient // who stay
	retry  time.Duration
	whole  *Outcome // the whole destination is to blame
	worked bool     // the next hop has answered
	broken bool     // the attempt was cut off by our end
	tried  bool     // there was one
	later  bool     // the transport only wants to wait
	absent bool     // there is no transport
}

// ruling is what becomes of one recipient.
type ruling struct {
	Outcome
	tell   notice // what the sender hears of it
	expire bool   // it is given up because of its age
}

// judge decides what outcomes mean.
func (q *Queue) judge(e *entry, outs []Outcome) *verdict {
	v := &verdict{now: q.clock.now(), rcpts: make([]ruling, len(e.rcpts))}
	o := q.options()
	v.later = !slices.ContainsFunc(outs, func(x Outcome) bool { return !x.Untried || x.Result != Deferred })
	v.tried = !v.later
	back := o.returnAt(e)
	for i := range e.rcpts {
		r, x := &e.rcpts[i], &v.rcpts[i]
		x.Outcome = outs[i]
		v.blame(&outs[i])
		switch {
		case x.Result == Delivered:
			x.tell = taken(&e.msg.params.DeliverBy, r, &x.Outcome)
			continue
		case x.Result == Deferred && v.now >= back:
			x.Result, x.expire = Failed, true
		}
		if x.Result == Failed {
			if wants(r, failed) {
				x.tell = failed
			}
			continue
		}
		rest := *r
		rest.last = remember(x.Outcome)
		if v.now >= o.warnFor(e, r) {
			x.tell, rest.warned = delayed, true
		}
		v.rest = append(v.rest, rest)
		v.retry = max(v.retry, x.Retry)
	}
	v.broken = !v.worked && q.ctx.Err() != nil && len(v.rest) == len(e.rcpts)
	return v
}

// taken is what the sender hears of a recipient whom the next hop has taken.
func taken(by *smtp.DeliverBy, r *recipient, o *Outcome) notice {
	switch {
	case o.Final && wants(r, arrived):
		return arrived
	case o.Relayed && wants(r, relayed):
		return relayed
	case o.Final || !by.Set || !wants(r, deadlinePassed):
	case by.Trace, !by.Return && o.Untimed: // RFC 2852 sections 4.1.4 and 4.1.4.2
		return relayed
	}
	return nothing
}

// blame notes what an outcome says about the destination.
func (v *verdict) blame(o *Outcome) {
	switch {
	case o.Destination:
		v.whole = o
	case o.Result != Deferred || !o.Local:
		v.worked = true
	}
}

// remember keeps of an outcome what may be told later.
func remember(o Outcome) reply {
	r := reply{Reply: o.Reply, mta: o.MTA, local: o.Local}
	r.Text = shown(r.Text[:min(len(r.Text), maxReplyText)])
	r.mta = r.mta[:min(len(r.mta), maxName)]
	return r
}

// shown is text of a server as terminals may have it: the parser leaves no
// controls of ASCII in it, but octets of no character, and controls beyond.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// conclude notes what became of the attempt at e, and returns the next entry
// to be tried.
func (q *Queue) conclude(e *entry, v *verdict) *entry {
	q.mu.Lock()
	d := e.dest
	q.feedback(d, v)
	q.sched.done(e)
	if v.brief(e) {
		q.sched.putBack(e, d)
	} else if e.state = settling; q.dispose(e, v) {
		q.journalOf(e).later(func(b *batch) { b.settle = append(b.settle, e) })
	}
	q.relieve(d)
	next := q.pick()
	q.mu.Unlock()
	return next
}

// minLater is the least time for which a transport may want to wait.
const minLater = 100 * time.Millisecond

// briefWait is how long a transport may want to wait while all stays in memory.
const briefWait = 10 * time.Second

// unreadRetry is how long a message waits at most whose octets could not be
// read: that is our store's fault, S3's for instance, and no attempt of which
// the next one is to come later.
const unreadRetry = 30 * time.Second

// brief tells whether nothing has happened to e but that its whole destination
// waits for a moment.
func (v *verdict) brief(e *entry) bool {
	return v.later && v.whole != nil && max(v.retry, v.whole.Retry) <= briefWait &&
		len(v.rest) == len(v.rcpts) && e.wish == noWish && !slices.ContainsFunc(v.rcpts, func(x ruling) bool { return x.tell != nothing })
}

// dispose changes e as v says; false: nothing is to be written. q.mu is held.
func (q *Queue) dispose(e *entry, v *verdict) bool {
	if v.broken && e.logged { // it needs a row now
		e.fate, e.due = toWait, v.now
		return true
	}
	if v.broken {
		q.leave(e) // its row is as it was
		return false
	}
	unread := e.unread.Swap(false)
	if v.tried && !unread {
		e.attempts++
		e.tried = e.began
	}
	e.rcpts = v.rest
	e.fate = toWait
	if len(v.rest) == 0 || e.wish == toRemove {
		e.fate = toGo
		return true
	}
	wait := q.options().retryAfter(e.attempts - e.byHand)
	switch {
	case v.later:
		wait = minLater
	case unread:
		wait = min(wait, unreadRetry)
	}
	e.due = v.now + max(wait, min(v.retry, q.options().longest())).Milliseconds()
	if back := q.options().returnAt(e); back > v.now {
		e.due = min(e.due, back)
	}
	if v.absent {
		e.due = v.now // as soon as there is a way again
	}
	if e.lost.Load() {
		q.log.Error("the octets of a message are lost or damaged: it is held", "id", e.msg.trace, "entry", e.id, "blob", q.refOf(e.msg).String())
		e.hold, e.heldAt = lostReason, v.now
	}
	switch e.wish {
	case toHold:
		e.hold, e.heldAt = e.reason, v.now
	case toRetry:
		e.due = v.now
		e.byHand++
	}
	e.wish = noWish
	return true
}

// feedback notes what the attempt says about d. q.mu is held.
func (q *Queue) feedback(d *dest, v *verdict) {
	switch {
	case v.broken:
	case v.whole != nil && !v.worked:
		if d.down() {
			return // others have found out before
		}
		wait := q.options().probeAfter(d.failures + 1)
		if v.later && !d.probing && max(v.retry, v.whole.Retry) <= briefWait {
			q.sched.pause(d, v.now+max(minLater, v.retry, v.whole.Retry).Milliseconds())
			q.downs.put(d)
			q.plan(d.until)
			return
		}
		if v.later {
			wait = minLater
			d.failures-- // it is none
		}
		until := v.now + max(wait, min(v.whole.Retry, q.options().longest())).Milliseconds()
		for _, x := range q.sched.failed(d, until, remember(*v.whole)) {
			q.unload(x, d)
		}
		q.downs.put(d)
		q.plan(until)
	case v.worked:
		if !d.paused {
			q.downs.remove(d)
		}
		q.unpark(q.sched.worked(d))
	case d.probing && !v.later: // it says nothing about d: another must
		d.probing, d.until = false, v.now+q.options().probeAfter(1).Milliseconds()
		q.downs.put(d)
		q.plan(d.until)
	}
}

// unload takes an entry that was ready out of memory: its destination is
// down. q.mu is held.
func (q *Queue) unload(e *entry, d *dest) {
	d.park(e.bucket())
	if e.fresh {
		q.spill(e)
		return
	}
	q.leave(e)
}
