package proxy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// Delivery begins a hand-over. Nothing is open before its Commit.
func (g *Group) Delivery() gateway.Delivery { return delivery{g: g} }

// Relay begins a hand-over of queued mail: the message goes to whom the
// backend accepts, and every recipient has the backend's own reply.
func (g *Group) Relay() gateway.Delivery { return delivery{g: g, alone: true} }

type delivery struct {
	g     *Group
	alone bool // each recipient by itself
}

// Abort implements gateway.Delivery.
func (delivery) Abort() {}

// Commit implements gateway.Delivery: it hands the copy to the first backend
// that answers. Unless it is by Relay, all recipients are accepted there, or
// nothing is sent. With an
// SMTP backend all recipients get the same reply, unless it speaks PRDR and
// that was asked for. The error is that the message could not be read.
func (d delivery) Commit(ctx context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	start := time.Now()
	h := handover{g: d.g, c: c, alone: d.alone}
	replies, result, err := h.commit(ctx)
	d.g.count.commits.inc(result)
	observe(d.g.count.commit, start)
	return replies, err
}

// handover is one Commit.
type handover struct {
	g     *Group
	c     *gateway.Copy
	alone bool
	res   smtpc.Result
}

func (h *handover) commit(ctx context.Context) (replies []smtp.Reply, result string, err error) {
	env := &smtpc.Envelope{From: h.c.From, Params: h.c.Params, All: !h.alone, Rcpts: make([]smtpc.Rcpt, len(h.c.Rcpts))}
	for i := range h.c.Rcpts {
		env.Rcpts[i] = smtpc.Rcpt{To: h.c.Rcpts[i].To, Params: h.c.Rcpts[i].Params}
	}
	msg := &smtpc.Message{Size: h.c.Size, EightBit: h.c.EightBit, UTF8Header: h.c.UTF8Header, Open: h.c.Open}
	err = h.g.each(ctx, func(*backend) smtp.Reply { return smtp.Reply{} }, func(c *conn) (bool, error) {
		var err error
		h.res, err = c.Send(ctx, env, msg)
		c.note(h.res)
		return h.decided(err), err
	})
	if err != nil {
		return h.failed(err)
	}
	replies, result = h.answered()
	return replies, result, nil
}

// decided tells whether another backend, or another connection, must not be
// tried.
func (h *handover) decided(err error) bool {
	var e *smtpc.Error
	if !errors.As(err, &e) {
		return h.res.Step != smtpc.StepCheck
	}
	// Part of it may have been taken; the message is at fault, not the
	// connection; or it was refused before its end.
	return e.Ambiguous || h.partial() || e.Source || e.Reply.Permanent() && e.Step == smtpc.StepBody
}

// answered is what the client hears when the backend answered.
func (h *handover) answered() ([]smtp.Reply, string) {
	if h.res.Step == smtpc.StepRcpt && !h.alone {
		return h.late(), "late-refusal"
	}
	positive, temporary := 0, 0
	for i, r := range h.res.Rcpts {
		h.res.Rcpts[i] = h.g.ours(r)
		if r.Positive() {
			positive++
		} else if r.Temporary() {
			temporary++
		}
	}
	switch {
	case positive == len(h.res.Rcpts):
		return h.res.Rcpts, "accepted"
	case positive > 0:
		return h.res.Rcpts, "mixed"
	case temporary > 0:
		return h.res.Rcpts, "deferred"
	}
	return h.res.Rcpts, "rejected"
}

// late forgets what was remembered of recipients who are refused only now,
// when the client can no longer be told about one of several. When it comes
// back it hears the backend itself, even if another sender's question has been
// answered in the meantime.
func (h *handover) late() []smtp.Reply {
	for i, r := range h.res.Rcpts {
		if r.Positive() {
			continue
		}
		q := ask(h.c.From, h.c.Rcpts[i].To)
		h.g.log.Info("recipient refused at hand-over", "id", h.c.ID, "to", h.c.Rcpts[i].To.Path(), "reply", r.Error())
		h.g.answers.drop(q.recipient())
		h.g.answers.put(q, smtp.Reply{}, distrust)
	}
	return h.same(replyLate)
}

// distrust is how long a sender is asked about anew.
const distrust = time.Hour

// failed is what the client hears when no backend answered.
func (h *handover) failed(err error) ([]smtp.Reply, string, error) {
	var e *smtpc.Error
	errors.As(err, &e)
	if r := (*errRefused)(nil); errors.As(err, &r) {
		return h.same(r.reply), "rejected", nil
	}
	switch {
	case e == nil:
		return h.same(h.g.explain("hand-over", err, "id", h.c.ID)), "unanswered", nil
	case e.Source:
		return nil, "unanswered", err
	case e.Step == smtpc.StepBody && e.Reply.Permanent():
		return h.same(h.g.ours(e.Reply)), "rejected", nil
	case e.Ambiguous || h.partial():
		h.g.log.Error("hand-over in doubt: the message may have arrived, the client will send it again",
			"id", h.c.ID, "error", err.Error())
		return h.partly(), "in-doubt", nil
	}
	return h.same(h.g.explain("hand-over", err, "id", h.c.ID)), "unanswered", nil
}

// partial tells whether somebody got the message before the connection broke.
func (h *handover) partial() bool {
	return slices.ContainsFunc(h.res.Rcpts, smtp.Reply.Positive)
}

// partly keeps the replies that came (LMTP) and defers the rest.
func (h *handover) partly() []smtp.Reply {
	for i, r := range h.res.Rcpts {
		if r.IsZero() {
			h.res.Rcpts[i] = replyBroken
		}
	}
	return h.res.Rcpts
}

// same gives every recipient the same reply.
func (h *handover) same(r smtp.Reply) []smtp.Reply {
	replies := make([]smtp.Reply, len(h.c.Rcpts))
	for i := range replies {
		replies[i] = r
	}
	return replies
}
