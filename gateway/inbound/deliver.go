package inbound

import (
	"context"
	"errors"
	"fmt"
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
	got, err := t.handOver(ctx, c.route, t.copy(a, result, c, to))
	if err != nil {
		t.s.h.opt.Log.Error("hand-over failed", "id", t.id, "route", c.route, "error", err.Error())
	}
	for i, k := range c.rcpts {
		replies[k] = localError
		if err == nil && isFinal(got[min(i, len(got)-1)]) {
			replies[k] = got[min(i, len(got)-1)]
		}
	}
}

// handOver runs a delivery; it returns one reply for all or one for each.
func (t *transaction) handOver(ctx context.Context, route string, c *gateway.Copy) ([]smtp.Reply, error) {
	b := t.s.h.opt.Backends[route]
	if b == nil {
		return nil, errors.New("there is no such backend")
	}
	d := b.Delivery()
	defer d.Abort()
	got, err := d.Commit(ctx, c)
	if err == nil && len(got) != 1 && len(got) != len(c.Rcpts) {
		return nil, fmt.Errorf("%d replies for %d recipients", len(got), len(c.Rcpts))
	}
	return got, err
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
// and the refused copies are dropped with a trace, never bounced.
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
