package proxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// Verify asks whether the backends take mail from from for to, and returns the
// backend's reply, or a 451 of our own. The error is only that ctx ended.
//
// Positive answers are remembered for the recipient, whoever asks; refusals
// whose enhanced code speaks of the mailbox (5.1.1 and its like) too; other
// permanent refusals for this sender and recipient; temporary ones and those
// of MAIL not at all.
func (g *Group) Verify(ctx context.Context, from smtp.ReversePath, p smtp.MailParams, to smtp.ForwardPath, rp smtp.RcptParams) (smtp.Reply, error) {
	refuses := func(b *backend) smtp.Reply { return b.refuses(from, p, to) }
	if r := g.refused(refuses); !r.IsZero() {
		g.count.verified.inc("refused-here")
		return r, nil
	}
	q := ask(from, to)
	if r, ok := g.recall(q); ok {
		g.count.verified.inc("remembered")
		return r, nil
	}
	start := time.Now()
	// Equal questions at the same time are one; it does not end with who
	// asked first.
	flight := g.flights.DoChan(q.key(p, rp), func() (any, error) {
		if !g.enter() {
			return nil, errClosed
		}
		defer g.wg.Done()
		ctx, cancel := context.WithTimeout(g.ctx, g.opt.VerifyTimeout)
		defer cancel()
		return g.verify(ctx, q, from, p, smtpc.Rcpt{To: to, Params: rp})
	})
	select {
	case <-ctx.Done():
		return replyUnreachable, context.Cause(ctx)
	case got := <-flight:
		observe(g.count.verify, start)
		if got.Err != nil {
			g.count.verified.inc("unanswered")
			return g.explain("verify", got.Err, "to", to.Path()), nil
		}
		g.count.verified.inc("asked")
		return got.Val.(smtp.Reply), nil
	}
}

// refused is the refusal that all backends have in common, if they do.
func (g *Group) refused(refuses func(*backend) smtp.Reply) (r smtp.Reply) {
	for _, b := range g.backends {
		if r = refuses(b); r.IsZero() {
			return r
		}
	}
	return r
}

// ask is the question about a recipient from a sender, in the form in which
// its answer is remembered.
func ask(from smtp.ReversePath, to smtp.ForwardPath) question {
	return question{to: plain(to.Address), from: plain(from.Address), paired: true}
}

func plain(a smtp.Address) smtp.Address {
	if d, err := smtp.ASCIIDomain(a.Domain); err == nil {
		a.Domain = d
	}
	return a
}

// recipient is the question without its sender.
func (q question) recipient() question { return question{to: q.to} }

// key tells questions apart that are under way.
func (q question) key(p smtp.MailParams, rp smtp.RcptParams) string {
	var b strings.Builder
	b.Write(q.from.AppendPath(nil))
	b.Write(q.to.AppendPath(nil))
	b.Write(p.Append(nil))
	b.Write(rp.Append(nil))
	return b.String()
}

func (g *Group) recall(q question) (smtp.Reply, bool) {
	if a, ok := g.answers.get(q); ok {
		return a.reply, !a.reply.IsZero()
	}
	a, ok := g.answers.get(q.recipient())
	return a.reply, ok
}

// remember keeps the reply to RCPT where it holds again.
func (g *Group) remember(q question, r smtp.Reply) {
	switch {
	case r.Code/100 == 2:
		g.answers.put(q.recipient(), r, g.opt.RememberYes)
	case !r.Permanent():
	case ofMailbox(r.Enhanced):
		g.answers.put(q.recipient(), r, g.opt.RememberNo)
	default:
		g.answers.put(q, r, g.opt.RememberNo)
	}
}

// ofMailbox tells whether a refusal is about the recipient alone (RFC 3463
// sections 3.2 and 3.3).
func ofMailbox(e smtp.EnhancedCode) bool {
	switch e {
	case smtp.EnhancedCode{5, 1, 1}, smtp.EnhancedCode{5, 1, 2}, smtp.EnhancedCode{5, 1, 3},
		smtp.EnhancedCode{5, 1, 6}, smtp.EnhancedCode{5, 1, 10}, smtp.EnhancedCode{5, 2, 1}:
		return true
	}
	return false
}

// verify asks the backends.
func (g *Group) verify(ctx context.Context, q question, from smtp.ReversePath, p smtp.MailParams, rcpt smtpc.Rcpt) (smtp.Reply, error) {
	env := &smtpc.Envelope{From: from, Params: p, Rcpts: []smtpc.Rcpt{rcpt}}
	var reply smtp.Reply
	err := g.each(ctx, func(b *backend) smtp.Reply { return b.refuses(from, p, rcpt.To) }, func(c *conn) (bool, error) {
		res, err := c.Verify(ctx, env)
		c.note(res)
		if err != nil {
			return false, err
		}
		reply = res.Rcpts[0]
		switch res.Step {
		case smtpc.StepRcpt:
			g.remember(q, reply)
			return true, nil
		case smtpc.StepCheck:
			return false, nil
		}
		return true, nil
	})
	if e := (*errRefused)(nil); errors.As(err, &e) {
		return e.reply, nil
	}
	if err != nil {
		return smtp.Reply{}, err
	}
	return g.ours(reply), nil
}
