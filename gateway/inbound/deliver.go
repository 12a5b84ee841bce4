package inbound

import (
	"context"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// copyOf is one version of the message and who gets it.
type copyOf struct {
	route string
	edits []gateway.Edit
	rcpts []int // indexes of accepted recipients
}

// deliver carries out the rulings and returns the replies to the client: one
// for each recipient where the protocol has them, else one.
func (t *transaction) deliver(ctx context.Context, a *arriving, result pipeline.Result) []smtp.Reply {
	rcpts := t.pipe.Rcpts()
	replies := make([]smtp.Reply, len(rcpts))
	for i, r := range result.Rulings {
		switch {
		case r.Refused():
			replies[i] = r.Reply
		case r.Action == gateway.Discard:
			replies[i] = smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Ok")
		}
	}
	if !t.separate() && anyReply(replies, smtp.Reply.Temporary) {
		// One reply for all: the client must come back with all of them.
		return t.answer(a, result, replies)
	}
	start := time.Now()
	for _, c := range copies(rcpts, result.Rulings) {
		t.commit(ctx, a, result, c, rcpts, replies)
	}
	handoverTime.Observe(time.Since(start).Seconds())
	return t.answer(a, result, replies)
}

// copies groups the recipients that are not ruled out by what they get.
func copies(rcpts []gateway.Recipient, rulings []pipeline.Ruling) []*copyOf {
	var cs []*copyOf
	for i, r := range rulings {
		if r.Action != gateway.Continue && r.Action != gateway.Accept {
			continue
		}
		route := rcpts[i].Route
		if r.Route != "" {
			route = r.Route
		}
		k := slices.IndexFunc(cs, func(c *copyOf) bool { return c.route == route && slices.Equal(c.edits, r.Edits) })
		if k < 0 {
			k, cs = len(cs), append(cs, &copyOf{route: route, edits: r.Edits})
		}
		cs[k].rcpts = append(cs[k].rcpts, i)
	}
	return cs
}

// commit hands one copy over and notes the replies.
func (t *transaction) commit(ctx context.Context, a *arriving, result pipeline.Result, c *copyOf, rcpts []gateway.Recipient, replies []smtp.Reply) {
	to := make([]gateway.Recipient, len(c.rcpts))
	for i, k := range c.rcpts {
		to[i] = rcpts[k]
	}
	d := t.s.h.opt.Backends[c.route].Delivery()
	defer d.Abort()
	got, err := d.Commit(ctx, t.copy(a, result, c, to))
	if err != nil {
		t.s.h.opt.Log.Error("hand-over failed", "id", t.id, "backend", c.route, "error", err.Error())
	}
	for i, k := range c.rcpts {
		switch {
		case err != nil || len(got) == 0:
			replies[k] = localError
		case len(got) == len(c.rcpts):
			replies[k] = got[i]
		default:
			replies[k] = got[0]
		}
	}
}

func anyReply(replies []smtp.Reply, is func(smtp.Reply) bool) bool {
	return slices.ContainsFunc(replies, is)
}

// answer turns one reply for each recipient into what the client gets. Where
// it can have only one: all refused, the refusal; some to be tried again,
// that (a second copy for others is better than none for these); else 250,
// and the refused copies are dropped with a trace, never bounced.
func (t *transaction) answer(a *arriving, result pipeline.Result, replies []smtp.Reply) []smtp.Reply {
	all := replies
	if !t.separate() && len(replies) > 1 {
		one := replies[0]
		if i := slices.IndexFunc(replies, smtp.Reply.Temporary); i >= 0 {
			one = replies[i]
		} else if i := slices.IndexFunc(replies, smtp.Reply.Positive); i >= 0 {
			one = replies[i]
		}
		replies = []smtp.Reply{one}
	}
	for i := range all {
		t.logCopy(a, result, i, all[i])
	}
	out := make([]smtp.Reply, len(replies))
	for i, r := range replies {
		out[i] = withID(r, t.id)
	}
	return out
}
