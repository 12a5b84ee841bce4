package queue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// notice is what a sender may hear about a recipient.
type notice uint8

const (
	nothing notice = iota
	failed
	delayed
	relayed
	arrived        // in the mailbox
	deadlinePassed // or relayed, because of DELIVERBY
)

// wants tells whether the sender is to be told (RFC 3461 section 4.1): by
// default of failures and delays.
func wants(r *recipient, n notice) bool {
	p := r.params.Notify
	if p&smtp.NotifyNever != 0 {
		return false
	}
	switch n {
	case failed:
		return p == 0 || p&smtp.NotifyFailure != 0
	case delayed:
		return p == 0 || p&smtp.NotifyDelay != 0
	case relayed, arrived:
		return p&smtp.NotifySuccess != 0
	}
	return true
}

// notify queues, for the same transaction as the outcomes, what the sender is
// to hear. What cannot be told now is not settled either.
func (q *Queue) notify(e *entry, v *verdict) {
	var list []report.NoticeRecipient
	for i := range v.rcpts {
		if v.rcpts[i].tell != nothing {
			list = append(list, q.about(e, &e.rcpts[i], &v.rcpts[i], v))
		}
	}
	if len(list) == 0 {
		return
	}
	to, ok := q.addressee(e, v)
	if !ok {
		return
	}
	n, err := q.notice(e, to, list)
	if err != nil {
		q.log.Error("a notification could not be queued; the recipients stay", "id", e.msg.trace, "error", err.Error())
		q.postpone(e, v)
		return
	}
	e.notices = n
}

// addressee returns who is to be told: the sender; or the postmaster, of a
// notification that itself cannot be delivered. ok is false when nobody is: of
// what the postmaster should have heard, and of whatever else comes from
// nobody, or the postmaster's own address could keep it going round.
func (q *Queue) addressee(e *entry, v *verdict) (smtp.Address, bool) {
	if !e.msg.from.IsNull() {
		return e.msg.from.Address, true
	}
	pm, err := smtp.ParseMailbox(q.options().Postmaster, smtp.UTF8)
	for i := range v.rcpts {
		if v.rcpts[i].tell != failed {
			continue
		}
		if err == nil && e.msg.notice {
			return pm, true
		}
		q.log.Warn("a notification cannot be delivered and is dropped", "id", e.msg.trace, "to", e.rcpts[i].to.Path(),
			"reply", v.rcpts[i].Reply.Error())
		q.metrics.notice("dropped")
	}
	return smtp.Address{}, false
}

// about says what became of r.
func (q *Queue) about(e *entry, r *recipient, x *ruling, v *verdict) report.NoticeRecipient {
	n := report.NoticeRecipient{
		Original: r.params, Final: r.to.Address, RemoteMTA: x.MTA, Reply: x.Reply, Local: x.Local, LogID: e.msg.trace,
	}
	if v.tried {
		n.LastAttempt = wall(v.now)
	} else if e.tried != 0 {
		n.LastAttempt = wall(e.tried)
	}
	switch x.tell {
	case failed:
		n.Action = report.Failed
		if x.expire { // RFC 3463: delivery time expired
			n.Status = smtp.EnhancedCode{4, 4, 7}
		}
	case delayed:
		n.Action, n.WillRetryUntil = report.Delayed, wall(q.options().returnAt(e))
		if v.now >= e.msg.deadline() { // RFC 2852 section 4.1.4.1
			n.Status = smtp.EnhancedCode{4, 4, 7}
		}
	case arrived:
		n.Action, n.Status = report.Delivered, smtp.EnhancedCode{2, 0, 0}
	case relayed:
		n.Action, n.Status = report.Relayed, smtp.EnhancedCode{2, 0, 0}
	}
	return n
}

// notice writes and stores a notification; its entries are to be inserted with
// the outcomes that it tells.
func (q *Queue) notice(e *entry, to smtp.Address, list []report.NoticeRecipient) ([]*entry, error) {
	m, names := e.msg, q.names.Load()
	id := ulid.Make().String()
	rcpts, err := q.leads(to)
	if err != nil {
		return nil, err
	}
	if len(rcpts) == 0 {
		q.log.Warn("a notification has no way to go and is dropped", "id", m.trace, "to", to.Path())
		q.metrics.notice("dropped")
		return nil, nil
	}
	if len(rcpts) == 1 {
		to = rcpts[0].To.Address
	}
	n := &report.Notice{
		ReportingMTA: names.hostname, To: to, ID: id, Date: time.Now(), EnvelopeID: m.params.EnvelopeID,
		Arrival: wall(m.queued), Recipients: list,
		Open: func() (io.ReadCloser, error) { return q.open(q.ctx, m) },
		Size: q.refOf(m).Size, EightBit: m.eightBit, UTF8Header: m.utf8Header, SMTPUTF8: m.params.SMTPUTF8,
		Return: m.params.Return, MaxReturn: q.options().ReturnSize,
	}
	if m.params.RequireTLS { // RFC 8689 section 5
		n.Return = smtp.ReturnHeaders
	}
	if m.params.DeliverBy.Set {
		n.DeliverBy = wall(m.deadline())
	}
	var b bytes.Buffer
	if _, err := n.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	c := &gateway.Copy{
		ID: id, Rcpts: rcpts, Size: int64(b.Len()),
		EightBit: n.NeedsEightBit(), UTF8Header: n.NeedsUTF8(),
		Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(b.Bytes())) },
	}
	c.Params.RequireTLS = m.params.RequireTLS
	c.Params.SMTPUTF8 = c.UTF8Header || slices.ContainsFunc(rcpts, func(r gateway.Recipient) bool { return !r.To.IsASCII() })
	if c.EightBit {
		c.Params.Body = smtp.Body8BitMIME
	}
	c.Queue.Lane, c.Queue.Priority, c.Params.Priority = m.queue.Lane, m.queue.Priority, m.params.Priority // RFC 6710
	entries, err := q.entriesOf(c, "")
	if err != nil {
		return nil, err
	}
	entries[0].msg.notice = !m.from.IsNull()
	if err := q.appendBlob(context.WithoutCancel(q.ctx), entries[0].msg, c, nil); err != nil {
		return nil, err
	}
	q.mu.Lock()
	for _, x := range entries {
		x.state, x.fresh = storing, true
		q.enter(x)
	}
	q.mu.Unlock()
	for _, r := range list {
		q.metrics.notice(string(r.Action))
	}
	q.log.Info("notification queued", "id", m.trace, "notice", id, "to", to.Path(), "recipients", len(list))
	return entries, nil
}

// leadsTime bounds the search for who gets a notification.
const leadsTime = 10 * time.Second

// leads returns who gets a notification for an address.
func (q *Queue) leads(to smtp.Address) ([]gateway.Recipient, error) {
	leads := q.names.Load().leads
	if leads == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.ctx), leadsTime)
	defer cancel()
	list, err := leads(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("queue: who gets mail to %s: %w", to.Path(), err)
	}
	return list, nil
}

// postpone keeps recipients about whom the sender could not be told.
func (q *Queue) postpone(e *entry, v *verdict) {
	for i := range v.rcpts {
		x := &v.rcpts[i]
		switch x.tell {
		case failed:
			r := e.rcpts[i]
			r.last = remember(x.Outcome)
			v.rest = append(v.rest, r)
		case delayed:
			for k := range v.rest {
				if v.rest[k].to == e.rcpts[i].to {
					v.rest[k].warned = e.rcpts[i].warned
				}
			}
		}
	}
}
