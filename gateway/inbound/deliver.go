package inbound

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// copyOf is one version of the message, who gets it, and by which way.
type copyOf struct {
	route  string
	queued bool
	local  bool // kept here; one copy for all routes of which that is so
	apart  bool // in quarantine; likewise
	spare  bool // refused: it is kept apart only where others are taken
	from   smtp.ReversePath
	queue  gateway.Queueing
	edits  []gateway.Edit
	spam   spamMark
	facts  gateway.Facts // about the message, with a score as in spam
	to     []gateway.Recipient
	why    []*gateway.Kept // one for each, where it is apart
	of     []int           // indexes of the accepted recipients whom to is for
	got    []smtp.Reply    // of the backend, one for each; split
}

// deliver carries out the rulings and returns the replies to the client: one
// for each recipient where the protocol has them, else one.
func (t *transaction) deliver(ctx context.Context, a *arriving, result pipeline.Result) []smtp.Reply {
	replies, refused := t.said(result)
	if refused {
		return t.answer(a, result, replies)
	}
	copies := t.copies(a, result)
	grant, refusal := t.take(ctx, a, copies)
	if !refusal.IsZero() {
		for _, c := range copies {
			c.note(replies, []smtp.Reply{refusal})
		}
		return t.answer(a, result, replies)
	}
	start := time.Now()
	h := handover{t: t, ctx: ctx, a: a, result: result, replies: replies}
	h.run(copies)
	handoverTime.Observe(time.Since(start).Seconds())
	if !anyReply(replies, smtp.Reply.Positive) && grant.Undo != nil {
		grant.Undo()
	}
	t.sent(a, replies)
	for i, r := range replies {
		if r.Positive() && grant.Text != "" {
			replies[i].Text += "; " + grant.Text
		}
	}
	return t.answer(a, result, replies)
}

// said returns the replies that the rulings make, zero for those of whom a copy
// is to be delivered; refused: nobody gets one now.
func (t *transaction) said(result pipeline.Result) (replies []smtp.Reply, refused bool) {
	replies = make([]smtp.Reply, len(result.Rulings))
	for i, r := range result.Rulings {
		switch {
		case r.Refused():
			replies[i] = r.Reply
		case r.Action == gateway.Discard:
			replies[i] = smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Ok")
		}
	}
	refusal := t.refusalOfAll(replies)
	if refusal.IsZero() {
		return replies, false
	}
	for i, r := range replies {
		if r.IsZero() || r.Positive() {
			replies[i] = refusal
		}
	}
	return replies, true
}

// refusalOfAll returns the refusal of some recipients that is one of all, since
// the client can have one reply alone; zero: there is none. It must come back
// with all of them, or its user decide what to do without those refused.
func (t *transaction) refusalOfAll(replies []smtp.Reply) smtp.Reply {
	if t.separate() {
		return smtp.Reply{}
	}
	if i := slices.IndexFunc(replies, smtp.Reply.Temporary); i >= 0 {
		return replies[i]
	}
	if i := slices.IndexFunc(replies, smtp.Reply.Permanent); i >= 0 && t.s.info.Submitted() {
		return replies[i]
	}
	return smtp.Reply{}
}

// copies groups the recipients that are not ruled out by what they get.
func (t *transaction) copies(a *arriving, result pipeline.Result) []*copyOf {
	var cs []*copyOf
	keep := t.keeps(result)
	t.kept = make([]bool, len(result.Rulings))
	for i, r := range result.Rulings {
		if r.Action == gateway.Discard || r.Refused() && !keep {
			continue
		}
		mark, facts := spamMark{}, result.Facts
		if !t.s.info.Submitted() {
			rcpt := t.pipe.Rcpts()[i]
			mark, facts = spamMarkOf(facts, rcpt.Facts), factsFor(facts, rcpt)
		}
		var why *gateway.Kept
		if r.Action == gateway.Quarantine || r.Refused() {
			why = t.why(a, r, facts, r.Reply)
		}
		for _, x := range t.goals[i] {
			if r.Route != "" && r.Route != x.Route && !x.forwarded {
				x.Route, x.queued = r.Route, t.queued(r.Route) || t.held() || t.tracked(r.Route, x.Params)
			}
			c := copyOf{route: x.Route, queued: x.queued, from: t.from, queue: r.Queue, edits: r.Edits, spam: mark, facts: facts}
			if c.queue.Priority == 0 {
				c.queue.Priority = t.params.Priority
			}
			if rewrite := t.s.h.opt.Rewrite; x.forwarded && rewrite != nil {
				c.from = rewrite(t.from, t.pipe.Rcpts()[i].To.Domain)
			}
			c.local = t.local(c.route) && !c.queued
			if why != nil {
				c.setApart(r.Refused())
			}
			k := slices.IndexFunc(cs, c.same)
			if k < 0 {
				k, cs = len(cs), append(cs, &c)
			}
			cs[k].to, cs[k].of = append(cs[k].to, x.Recipient), append(cs[k].of, i)
			if why != nil {
				cs[k].why = append(cs[k].why, why)
			}
		}
	}
	return cs
}

// same tells whether two copies are the same but for the recipients.
func (c *copyOf) same(o *copyOf) bool {
	return (c.route == o.route || c.local && o.local) && c.apart == o.apart && c.spare == o.spare && c.queued == o.queued && c.from == o.from && c.queue == o.queue && c.spam == o.spam && slices.Equal(c.edits, o.edits)
}

// note merges what became of the copy into the replies for the accepted
// recipients; got is one reply for all or one for each.
func (c *copyOf) note(replies, got []smtp.Reply) {
	for i, k := range c.of {
		r := localError
		if len(got) > 0 && isFinal(got[min(i, len(got)-1)]) {
			r = got[min(i, len(got)-1)]
		}
		if old := replies[k]; !old.IsZero() { // an alias has several
			r = oneOf([]smtp.Reply{old, r})
		}
		replies[k] = r
	}
}

// take asks the quota of our own client for its consent.
func (t *transaction) take(ctx context.Context, a *arriving, copies []*copyOf) (Grant, smtp.Reply) {
	q := t.s.h.opt.Quota
	if q == nil || !t.s.info.Submitted() || len(copies) == 0 {
		return Grant{}, smtp.Reply{}
	}
	var to []smtp.Address
	for i, r := range t.pipe.Rcpts() {
		if len(t.goals[i]) > 0 {
			to = append(to, r.To.Address)
		}
	}
	g, err := q.Take(ctx, t.sender(), to, a.size)
	if err != nil {
		r, is := smtp.AsReply(err)
		if !is {
			t.s.h.opt.Log.Error("quota failed", "id", t.id, "error", err.Error())
			r = localError
		}
		return Grant{}, r
	}
	if !g.Reply.IsZero() && !g.Reply.Positive() {
		return Grant{}, g.Reply
	}
	if g.Hold != "" {
		for _, c := range copies { // what waits cannot go in session
			c.queue.Hold, c.queued = g.Hold, t.s.h.opt.Queue != nil
		}
	}
	return g, smtp.Reply{}
}

// isFinal tells whether a reply says what became of a message. The zero one
// would pass for success further on.
func isFinal(r smtp.Reply) bool {
	return r.Code/100 == 2 || r.Temporary() || r.Permanent()
}

func anyReply(replies []smtp.Reply, is func(smtp.Reply) bool) bool {
	return slices.ContainsFunc(replies, is)
}

// answer turns one reply for each recipient into what the client gets. Where
// it can have only one: all refused, the refusal; some to be tried again,
// that (a second copy for others is better than none for these); else 250,
// and the refused copies are kept in quarantine, or dropped with a trace, never
// bounced.
func (t *transaction) answer(a *arriving, result pipeline.Result, replies []smtp.Reply) []smtp.Reply {
	said := replies
	if !t.separate() && len(replies) > 1 {
		said = []smtp.Reply{oneOf(replies)}
	}
	for i := range replies {
		t.logCopy(a, result, i, replies[i], said[min(i, len(said)-1)])
	}
	out := make([]smtp.Reply, len(said))
	for i, r := range said {
		if !isFinal(r) { // it would pass for success
			r = localError
		}
		out[i] = withID(r, t.id)
	}
	return out
}

// oneOf returns the reply that stands for all.
func oneOf(replies []smtp.Reply) smtp.Reply {
	if i := slices.IndexFunc(replies, smtp.Reply.Temporary); i >= 0 {
		return replies[i]
	}
	if i := slices.IndexFunc(replies, smtp.Reply.Positive); i >= 0 {
		return replies[i]
	}
	return replies[0]
}

// checkReplies tells whether a delivery gave as many replies as it must.
func checkReplies(got []smtp.Reply, rcpts int) error {
	if len(got) != 1 && len(got) != rcpts {
		return fmt.Errorf("%d replies for %d recipients", len(got), rcpts)
	}
	return nil
}
