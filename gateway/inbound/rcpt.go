package inbound

import (
	"context"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// transaction is one mail transaction; smtpd calls it from one goroutine.
type transaction struct {
	s       *session
	id      string
	from    smtp.ReversePath
	params  smtp.MailParams
	pipe    *pipeline.Transaction
	started time.Time
	group   string // key of the backend of the first recipient
}

var (
	relayDenied = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "Relaying denied: this server takes no mail for that domain")
	// RFC 5321 section 4.5.3.1.10: the client sends the rest again.
	otherGroup = smtp.NewReply(452, smtp.EnhancedCode{4, 5, 3}, "This recipient needs a transaction of its own; send it again")
)

// Rcpt implements smtpd.Transaction: route, then what filters and policy say,
// then what the backend says.
func (t *transaction) Rcpt(ctx context.Context, to smtp.ForwardPath, p smtp.RcptParams) (smtp.Reply, error) {
	to = t.s.h.opt.Routes.Qualify(to)
	key, ok := t.s.h.opt.Routes.For(to)
	if !ok {
		return t.refuse(gateway.Reject, relayDenied, to)
	}
	r := gateway.Recipient{To: to, Params: p, Route: key}
	ruling := t.pipe.Rcpt(ctx, r, to.IsPostmaster())
	if ruling.Refused() {
		t.s.logRefusal(t.id, ruling, t, to.Path())
		return smtp.Reply{}, withID(ruling.Reply, t.id)
	}
	if ruling.Route != "" {
		r.Route = ruling.Route
	}
	if ruling.Action == gateway.Discard {
		t.pipe.Accept(r, ruling)
		return smtp.Reply{}, nil
	}
	return t.verify(ctx, r, ruling)
}

// verify asks the backend about a recipient whom the policy lets through.
func (t *transaction) verify(ctx context.Context, r gateway.Recipient, ruling pipeline.Ruling) (smtp.Reply, error) {
	if t.group != "" && t.group != r.Route && !t.separate() {
		return t.refuse(gateway.Defer, otherGroup, r.To)
	}
	b := t.s.h.opt.Backends[r.Route]
	if b == nil {
		t.s.h.opt.Log.Error("there is no such backend", "id", t.id, "route", r.Route)
		return t.refuse(gateway.Defer, localError, r.To)
	}
	reply, err := b.Verify(ctx, t.from, t.params, r.To, r.Params)
	switch {
	case ctx.Err() != nil:
		return smtp.Reply{}, context.Cause(ctx)
	case err != nil || !isFinal(reply):
		t.s.h.opt.Log.Error("recipient not verified", "id", t.id, "route", r.Route, "error", errorText(err))
		return t.refuse(gateway.Defer, localError, r.To)
	}
	if !reply.Positive() {
		refusals.WithLabelValues("backend", "reject").Inc()
		t.s.h.opt.Log.Info("recipient refused by the backend", "id", t.id, "session", t.s.id, "ip", t.s.ip(),
			"from", t.from.Path(), "to", r.To.Path(), "route", r.Route, "reply", reply.Error())
		return smtp.Reply{}, withID(reply, t.id)
	}
	if t.group == "" {
		t.group = r.Route
	}
	t.pipe.Accept(r, ruling)
	return withID(reply, t.id), nil
}

// refuse refuses a recipient for a reason of the gateway's own.
func (t *transaction) refuse(a gateway.Action, r smtp.Reply, to smtp.ForwardPath) (smtp.Reply, error) {
	t.s.logRefusal(t.id, pipeline.Ruling{Stage: gateway.StageRcpt, Disposition: gateway.Disposition{Action: a, Reply: r}}, t, to.Path())
	return smtp.Reply{}, withID(r, t.id)
}

func errorText(err error) string {
	if err == nil {
		return "no reply"
	}
	return err.Error()
}

// separate tells whether each recipient gets a reply of its own after the
// data, so that recipients of several backends can share a transaction.
func (t *transaction) separate() bool { return t.s.info.LMTP() || t.params.PRDR }

// Reset implements smtpd.Transaction.
func (t *transaction) Reset() { t.pipe.Close() }
