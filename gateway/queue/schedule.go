package queue

import (
	"math/rand/v2"
	"slices"
	"time"
)

// clock is the queue's time: that of the machine when the queue was opened,
// and even from then on.
type clock struct{ start time.Time }

// now returns the time in Unix milliseconds.
func (c clock) now() int64 { return c.start.UnixMilli() + time.Since(c.start).Milliseconds() }

// wall returns a stored time.
func wall(ms int64) time.Time { return time.UnixMilli(ms) }

// jitter varies a wait by up to a tenth, so that what failed together does
// not come back together.
func jitter(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d - d/10 + rand.N(d/5)
}

// retryAfter returns how long to wait after the n-th attempt, from 1.
func (o *Options) retryAfter(n int) time.Duration {
	return jitter(o.Retry[min(max(n, 1), len(o.Retry))-1])
}

// probeAfter returns how long a destination is left alone after its n-th
// failure in a row.
func (o *Options) probeAfter(n int) time.Duration {
	d := min(o.Retry[0], o.Probe)
	for ; n > 1 && d < o.Probe; n-- {
		d *= 2
	}
	return jitter(min(d, o.Probe))
}

// longest returns the longest wait between two attempts.
func (o *Options) longest() time.Duration {
	return max(slices.Max(o.Retry), o.Probe)*11/10 + time.Second
}

// warnAt returns when senders are to be told that e is late for one of its
// recipients; never: they are not.
func (o *Options) warnAt(e *entry) int64 {
	at := int64(never)
	for i := range e.rcpts {
		at = min(at, o.warnFor(e, &e.rcpts[i]))
	}
	return at
}

// warnFor is warnAt for one recipient.
func (o *Options) warnFor(e *entry, r *recipient) int64 {
	if r.warned || e.msg.from.IsNull() {
		return never
	}
	at := int64(never)
	if wants(r, delayed) && (o.Warn > 0 || r.params.Notify != 0) {
		after := o.Warn
		if after <= 0 {
			after = DefaultOptions().Warn
		}
		at = e.since + after.Milliseconds()
	}
	// RFC 2852 section 4.1.4.1: mode N tells of the deadline.
	if by := e.msg.params.DeliverBy; by.Set && !by.Return && wants(r, deadlinePassed) {
		at = min(at, e.msg.deadline())
	}
	return at
}

// released returns when the message could first leave.
func (m *message) released() int64 { return max(m.queued, m.notBefore) }

// deadline returns when DELIVERBY wants the message delivered; never: it was
// not asked for.
func (m *message) deadline() int64 {
	if !m.params.DeliverBy.Set {
		return never
	}
	return m.queued + m.params.DeliverBy.Within.Milliseconds()
}

// afterStart is how long after a start nothing goes back for its age: what has
// become too old while nothing ran gets more than one attempt, of which the
// first may come before the network is there.
const afterStart = 15 * time.Minute

// returnAt returns when e goes back if it is still there.
func (o *Options) returnAt(e *entry) int64 {
	at := max(e.since+o.Expire.Milliseconds(), o.noneBefore)
	if e.msg.params.DeliverBy.Return {
		at = min(at, e.msg.deadline())
	}
	return at
}

// forgetAt returns when e is dropped if it is still in quarantine.
func (o *Options) forgetAt(e *entry) int64 { return e.msg.queued + o.Quarantine.Milliseconds() }

// overdueAgain is when that is looked after again which should have been told
// or tried already.
const overdueAgain = time.Hour

// dueAlarm returns when e must be looked at even if nobody tries it.
func (o *Options) dueAlarm(e *entry) int64 {
	switch {
	case e.apart():
		return o.forgetAt(e)
	case e.hold != "":
		return never
	}
	return min(o.warnAt(e), o.returnAt(e))
}

// alarm is dueAlarm for a row that is written now.
func (o *Options) alarm(e *entry, now int64) int64 {
	at := o.dueAlarm(e)
	if at <= now {
		return now + overdueAgain.Milliseconds()
	}
	return at
}
