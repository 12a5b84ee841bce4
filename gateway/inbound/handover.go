package inbound

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// handover brings the copies of one message out. SMTP has no two-phase commit,
// so the order is: what is queued is made durable; the backend in session
// takes its copy; what it could not take for some is made durable too; then
// all that is queued is activated, and the client told. What is kept in
// quarantine is queued; what is only where others are taken, last. A crash in between
// forgets what is not activated, and the client, who has heard nothing, comes
// again.
type handover struct {
	t       *transaction
	ctx     context.Context
	a       *arriving
	result  pipeline.Result
	replies []smtp.Reply
	legs    []*leg // in the queue
}

// leg is one copy on its way into the queue.
type leg struct {
	c        *copyOf
	copy     *gateway.Copy
	d        gateway.Preparer
	prepared bool
	got      []smtp.Reply
	err      error
}

// run brings all copies out and notes the replies.
func (h *handover) run(copies []*copyOf) {
	defer func() {
		for _, l := range h.legs {
			if l.d != nil {
				l.d.Abort()
			}
		}
	}()
	var session, queued, spare []*copyOf
	for _, c := range copies {
		switch {
		case c.spare:
			spare = append(spare, c)
		case c.queued:
			queued = append(queued, c)
		default:
			session = append(session, c)
		}
	}
	// What is kept here comes last: it fails least, and the queue can take over.
	slices.SortStableFunc(session, func(a, b *copyOf) int { return order(a.local) - order(b.local) })
	ok := h.begin(queued)
	ok = h.begin(spare) && ok
	if len(session)+len(h.legs) > 1 {
		ok = h.prepare() && ok
	}
	if !ok && !h.t.separate() {
		h.fail(copies)
		return
	}
	if session, ok = h.storable(session, copies); !ok {
		return
	}
	late := h.inSession(session, len(queued) > 0)
	if len(late) > 0 {
		if ok := h.begin(late) && h.prepare(); !ok && !h.t.separate() {
			h.fail(copies)
			return
		}
	}
	for _, l := range h.commit(false) {
		l.c.note(h.replies, l.got)
	}
	h.keep(session)
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// begin makes a leg of each copy; what cannot be begun is noted.
func (h *handover) begin(copies []*copyOf) (all bool) {
	all = true
	for _, c := range copies {
		l := &leg{c: c}
		h.legs = append(h.legs, l)
		if h.t.s.h.opt.Queue == nil {
			l.err = errors.New("there is no queue")
		} else {
			l.copy, l.err = h.t.copy(h.ctx, h.a, h.result, c)
		}
		if l.err != nil {
			l.got = h.failed(c, l.err)
			all = false
			continue
		}
		l.d = h.t.s.h.opt.Queue.Delivery(c.route)
	}
	return all
}

// prepare makes durable what is not yet, all at the same time, so that copies
// share the wait for the disk.
func (h *handover) prepare() (all bool) {
	todo := slices.DeleteFunc(slices.Clone(h.legs), func(l *leg) bool { return l.prepared || l.err != nil })
	each(todo, func(l *leg) {
		l.err = l.d.Prepare(h.ctx, l.copy)
		l.prepared = l.err == nil
	})
	h.legs = slices.DeleteFunc(h.legs, (*leg).notKept)
	all = true
	for _, l := range todo {
		if l.err != nil && !l.notKept() {
			l.got = h.failed(l.c, l.err)
			all = false
		}
	}
	return all
}

// each runs f for all legs at once.
func each(legs []*leg, f func(*leg)) {
	if len(legs) == 0 {
		return
	}
	var wg sync.WaitGroup
	for _, l := range legs[1:] {
		wg.Go(func() { f(l) })
	}
	f(legs[0])
	wg.Wait()
}

// commit activates what was made durable; a lone copy is made so and activated
// in one step. It does so with those that are spare, or with all others, and
// returns them.
func (h *handover) commit(spare bool) []*leg {
	mine := slices.DeleteFunc(slices.Clone(h.legs), func(l *leg) bool { return l.c.spare != spare })
	each(slices.DeleteFunc(slices.Clone(mine), func(l *leg) bool { return l.err != nil }), func(l *leg) {
		if l.got, l.err = l.d.Commit(h.ctx, l.copy); l.err == nil {
			l.err = checkReplies(l.got, len(l.copy.Rcpts))
		}
		if l.err != nil && !l.notKept() {
			l.got = h.failed(l.c, l.err)
		}
	})
	return slices.DeleteFunc(mine, (*leg).notKept)
}

// notKept tells of a refused copy for which there is no room in quarantine: then
// it is only refused.
func (l *leg) notKept() bool { return l.c.spare && errors.Is(l.err, gateway.ErrNotKept) }

// cannotStore is what the client hears before a backend does.
var cannotStore = smtp.NewReply(452, smtp.EnhancedCode{4, 3, 0}, "Mail cannot be stored now; try again later")

// storable takes from the copies in session those recipients who must come again,
// since mail cannot be stored; false: all must. Where several share a reply and a
// backend refuses some after the dot, their copies are to be queued or kept apart; were that
// to fail only then, the others would get theirs again with each attempt.
func (h *handover) storable(session, all []*copyOf) (rest []*copyOf, ok bool) {
	queue := h.t.s.h.opt.Queue
	shares := h.sharing(all)
	shared := func(c *copyOf) bool { return slices.ContainsFunc(c.of, shares) }
	if queue == nil || !slices.ContainsFunc(session, shared) || queue.Ready(h.ctx) {
		return session, true
	}
	h.t.s.h.opt.Log.Error("hand-over put off: mail cannot be stored", "id", h.t.id)
	if !h.t.separate() {
		for _, c := range all {
			c.note(h.replies, []smtp.Reply{cannotStore})
		}
		return nil, false
	}
	for _, c := range session {
		c.got = []smtp.Reply{cannotStore}
		alone, several := c.split(c.got, func(k int, _ smtp.Reply) bool { return shares(k) })
		several.note(h.replies, several.got)
		if len(alone.to) > 0 {
			rest = append(rest, alone)
		}
	}
	return rest, true
}

// sharing tells of an accepted recipient whether what becomes of one copy of his
// shares a reply with what becomes of another.
func (h *handover) sharing(all []*copyOf) func(k int) bool {
	targets, n := make([]int, len(h.replies)), 0
	for _, c := range all {
		for _, k := range c.of {
			targets[k]++
			n++
		}
	}
	if !h.t.separate() {
		return func(int) bool { return n > 1 || len(h.replies) > 1 }
	}
	return func(k int) bool { return targets[k] > 1 }
}

// inSession hands copies over to backends and notes their replies. late are
// the copies of recipients whom a backend did not take and the queue must:
// others are promised their copy, so that the client cannot be told, or a user
// of ours is not to wait for a backend. promised: some copy is queued already.
func (h *handover) inSession(copies []*copyOf, promised bool) (late []*copyOf) {
	ours := h.t.s.info.Submitted()
	for _, c := range copies {
		var err error
		if c.got, err = h.handOver(c); err != nil {
			c.got = h.failed(c, err)
		}
		promised = promised || anyReply(c.got, smtp.Reply.Positive) || ours && anyReply(c.got, smtp.Reply.Temporary)
	}
	told := h.told(copies)
	canWait := func(k int, r smtp.Reply) bool {
		// What is refused for good goes with the queue too where its sender is
		// ours: the queue hears the refusal again, and tells the sender.
		switch {
		case h.t.s.h.opt.Queue == nil:
			return false
		case h.t.separate(): // he hears of all but one of an alias's targets
			return ours && r.Permanent() && told[k].Positive()
		}
		return promised && (r.Temporary() || ours && r.Permanent())
	}
	for _, c := range copies {
		taken, rest := c.split(c.got, canWait)
		taken.note(h.replies, taken.got)
		if len(rest.to) > 0 {
			h.t.s.h.opt.Log.Info("queued instead", "id", h.t.id, "route", c.route, "recipients", len(rest.to), "reply", rest.got[0].Error())
			late = append(late, rest)
		}
	}
	return late
}

// told returns what each accepted recipient would hear of copies in session and
// of those that are queued already.
func (h *handover) told(session []*copyOf) []smtp.Reply {
	replies := slices.Clone(h.replies)
	for _, c := range session {
		c.note(replies, c.got)
	}
	for _, l := range h.legs {
		got := l.got
		if l.err == nil {
			got = []smtp.Reply{smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Ok")}
		}
		l.c.note(replies, got)
	}
	return replies
}

// split parts the recipients of a copy by what was answered about them; wait is
// called with the index of an accepted recipient, and the answer.
func (c *copyOf) split(got []smtp.Reply, wait func(k int, r smtp.Reply) bool) (taken, rest *copyOf) {
	a, b := *c, *c
	a.to, a.of, a.got, b.to, b.of, b.got = nil, nil, nil, nil, nil, nil
	b.queued, b.local = true, false
	for i := range c.to {
		x, r := &a, got[min(i, len(got)-1)]
		if wait(c.of[i], r) {
			x = &b
		}
		x.to, x.of, x.got = append(x.to, c.to[i]), append(x.of, c.of[i]), append(x.got, r)
	}
	return &a, &b
}

// handOver gives one copy to the backend of its route.
func (h *handover) handOver(c *copyOf) ([]smtp.Reply, error) {
	b := h.t.s.h.opt.Backends[c.route]
	if b == nil {
		return nil, errors.New("there is no such backend")
	}
	copy, err := h.t.copy(h.ctx, h.a, h.result, c)
	if err != nil {
		return nil, err
	}
	d := b.Delivery()
	defer d.Abort()
	got, err := d.Commit(h.ctx, copy)
	if err == nil {
		err = checkReplies(got, len(c.to))
	}
	return got, err
}

// failed logs what went wrong with a copy, and returns what the client hears.
func (h *handover) failed(c *copyOf, err error) []smtp.Reply {
	h.t.s.h.opt.Log.Error("hand-over failed", "id", h.t.id, "route", c.route, "error", err.Error())
	if r, is := smtp.AsReply(err); is && r.Temporary() { // no room, for instance
		return []smtp.Reply{r}
	}
	return []smtp.Reply{localError}
}

// fail tells the client to come back with all recipients.
func (h *handover) fail(copies []*copyOf) {
	why := []smtp.Reply{localError}
	for _, l := range h.legs {
		if l.err != nil {
			why = l.got
			break
		}
	}
	for _, c := range copies {
		c.note(h.replies, why)
	}
}
