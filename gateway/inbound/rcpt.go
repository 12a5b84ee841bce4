package inbound

import (
	"context"
	"errors"
	"strings"
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
	goals   [][]target // of each accepted recipient; none where it is discarded
	led     int        // how many those are
	kept    []bool     // of each accepted recipient: its copy is in quarantine, though it was refused
	group   string     // key of the backend that takes in session
	readers []reader   // of what comes back

	ruling    pipeline.Ruling // about the latest recipient
	overQuota bool            // a recipient was refused for it
	addSender bool            // the header needs a Sender
	others    []string        // domains in From that are not the user's
}

var (
	relayDenied = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "Relaying denied: this server takes no mail for that domain")
	// RFC 5321 section 4.5.3.1.10: the client sends the rest again.
	// What relay probes ask for; RFC 5321 section 3.6.1 wants no such routes, and
	// appendix F.2 lets servers refuse them.
	routeDenied = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "Relaying denied: this address holds another one (percent sign, exclamation mark or quoted at sign)")
	otherGroup  = smtp.NewReply(452, smtp.EnhancedCode{4, 5, 3}, "This recipient needs a transaction of its own; send it again")
	recipientOk = smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Recipient ok")
)

// Rcpt implements smtpd.Transaction: route, then what filters and policy say,
// then what the backend says.
func (t *transaction) Rcpt(ctx context.Context, to smtp.ForwardPath, p smtp.RcptParams) (smtp.Reply, error) {
	to, back := t.returned(t.s.h.opt.Routes.Qualify(t.s.h.unhosted(to)))
	if !back.Reply.IsZero() {
		return t.answerRcpt(t.refusal(back.Reply, to), nil)
	}
	key, ok := t.route(to, t.s.info.Submitted() || back.Outbound)
	if !ok {
		return t.answerRcpt(t.refusal(relayDenied, to), nil)
	}
	if !t.s.info.Submitted() && !t.s.h.opt.Routed && back.To.IsZero() && strings.ContainsAny(to.Local, "%@!") {
		return t.answerRcpt(t.refusal(routeDenied, to), nil)
	}
	if t.s.info.Submitted() {
		if r, err := t.mayReceive(ctx, key, to); err != nil || !r.IsZero() {
			return t.answerRcpt(r, err)
		}
	}
	r := gateway.Recipient{To: to, Params: p, Route: key}
	ruling := t.pipe.Rcpt(ctx, r, to.IsPostmaster())
	t.ruling = ruling
	if ruling.Refused() {
		t.s.logRefusal(t.id, ruling, t, to.Path())
		return smtp.Reply{}, withID(ruling.Reply, t.id)
	}
	if ruling.Route != "" {
		r.Route = ruling.Route
	}
	if back.Discard {
		ruling.Action = gateway.Discard
	}
	if ruling.Action == gateway.Discard {
		t.willRead(back)
		t.accept(r, ruling, nil)
		return smtp.Reply{}, nil
	}
	list, reply, err := t.targets(ctx, r)
	if err != nil || !reply.Positive() {
		return t.answerRcpt(reply, err)
	}
	t.willRead(back)
	t.accept(r, ruling, list)
	return withID(reply, t.id), nil
}

// unhosted takes the host's own name from its postmaster's address, whom our
// bounces name (RFC 5321 section 4.5.1), where no route is for that name.
func (h *Handler) unhosted(to smtp.ForwardPath) smtp.ForwardPath {
	if !to.IsPostmaster() || !smtp.EqualDomain(to.Domain, h.opt.Hostname) {
		return to
	}
	if _, ok := h.opt.Routes.For(to); !ok {
		to.Domain = ""
	}
	return to
}

// accept counts a recipient and where its copies go.
func (t *transaction) accept(r gateway.Recipient, ruling pipeline.Ruling, list []target) {
	for i := range list {
		switch x := &list[i]; {
		case x.queued || t.local(x.Route):
		case t.group == "":
			t.group = x.Route
		case t.group != x.Route && !t.separate():
			x.queued = t.s.h.opt.Queue != nil
		}
	}
	t.pipe.Accept(r, ruling)
	t.goals = append(t.goals, list)
	t.led += len(list)
}

// verify asks the backend whether it takes a target; where the queue takes it
// nobody is asked. direct: the client has named it itself. What is refused is
// logged here.
func (t *transaction) verify(ctx context.Context, x *target, direct bool) (smtp.Reply, error) {
	o := &t.s.h.opt
	ours := t.s.info.Submitted()
	alone := t.group == "" || t.group == x.Route || t.separate() || t.local(x.Route)
	switch {
	case x.queued && o.Queue != nil:
		return recipientOk, nil
	case !x.queued && !alone && (o.Queue == nil || direct && !ours):
		return t.refusal(otherGroup, x.To), nil
	}
	b := o.Backends[x.Route]
	if b == nil || x.queued {
		o.Log.Error("there is no such backend", "id", t.id, "route", x.Route)
		return t.refusal(localError, x.To), nil
	}
	reply, err := b.Verify(ctx, t.from, t.params, x.To, x.Params)
	switch {
	case ctx.Err() != nil:
		return smtp.Reply{}, context.Cause(ctx)
	case err != nil || !isFinal(reply):
		o.Log.Error("recipient not verified", "id", t.id, "route", x.Route, "error", errorText(err))
		reply = localError
		if !ours || o.Queue == nil {
			return t.refusal(reply, x.To), nil
		}
	}
	switch {
	case reply.Temporary() && ours && o.Queue != nil: // it can wait with us
		x.queued = true
		return recipientOk, nil
	case reply.Positive():
		x.queued = t.held() || t.tracked(x.Route, x.Params)
		return reply, nil
	}
	refusals.WithLabelValues("backend", "reject").Inc()
	o.Log.Info("recipient refused by the backend", "id", t.id, "session", t.s.id, "ip", t.s.ip(),
		"from", t.from.Path(), "to", x.To.Path(), "route", x.Route, "reply", reply.Error())
	return reply, nil
}

// held tells whether the client asked to hold the message for a while.
func (t *transaction) held() bool {
	return t.s.h.opt.Queue != nil && (t.params.HoldFor > 0 || t.params.HoldUntil.After(t.started))
}

// tracked tells whether a client wants to hear of success (RFC 3461): the
// queue tells our own, whatever the backend knows, and of what is kept here
// everybody.
func (t *transaction) tracked(route string, p smtp.RcptParams) bool {
	return t.s.h.opt.Queue != nil && p.Notify&smtp.NotifySuccess != 0 && (t.s.info.Submitted() || t.local(route))
}

// local tells whether mail of a route is kept here.
func (t *transaction) local(route string) bool { return t.s.h.opt.Local[route] }

// refusal logs a refusal for a reason of the gateway's own.
func (t *transaction) refusal(r smtp.Reply, to smtp.ForwardPath) smtp.Reply {
	t.s.logRefusal(t.id, pipeline.Ruling{Stage: gateway.StageRcpt, Disposition: gateway.Disposition{Action: action(r), Reply: r}}, t, to.Path())
	return r
}

// action is what a refusal does.
func action(r smtp.Reply) gateway.Action {
	if r.Temporary() {
		return gateway.Defer
	}
	return gateway.Reject
}

// answerRcpt is the reply to a recipient who is not taken.
func (t *transaction) answerRcpt(r smtp.Reply, err error) (smtp.Reply, error) {
	if err == nil {
		return smtp.Reply{}, withID(r, t.id)
	}
	if errors.Is(err, context.Canceled) {
		return smtp.Reply{}, err
	}
	refused, is := smtp.AsReply(err)
	if !is {
		t.s.h.opt.Log.Error("recipient not looked up", "id", t.id, "error", err.Error())
		refused = localError
	}
	return smtp.Reply{}, withID(refused, t.id)
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
