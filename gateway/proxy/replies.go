package proxy

import (
	"errors"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// What the client hears when a backend does not answer.
var (
	replyUnreachable = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 1}, "The mailbox server does not answer; try again later")
	replyBusy        = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 5}, "The mailbox server is busy; try again later")
	replyBroken      = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 2}, "The connection to the mailbox server broke; try again later")
	replySecurity    = smtp.NewReply(451, smtp.EnhancedCode{4, 7, 0}, "The mailbox server cannot be reached safely; try again later")
	replyConfig      = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 5}, "The mailbox server does not take mail from this gateway; try again later")
	replyLate        = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "The mailbox server has refused a recipient whom it took before; try again")
)

// ours replaces a reply that is about our use of the protocol, not about the
// mail: that is no answer for the client.
func (g *Group) ours(r smtp.Reply) smtp.Reply {
	switch r.Code {
	case 500, 502, 503, 504, 530, 534, 535, 538:
		g.log.Error("backend refuses the gateway", "reply", r.Error())
		return replyConfig
	}
	return r
}

// explain turns an error into what the client hears, and logs it; about says
// of which mail.
func (g *Group) explain(what string, err error, about ...any) smtp.Reply {
	g.log.Warn(what+" without answer", append(about, "error", err.Error())...)
	var e *smtpc.Error
	switch {
	case errors.Is(err, errBusy):
		return replyBusy
	case !errors.As(err, &e):
		return replyUnreachable
	case e.Step == smtpc.StepTLS || e.Step == smtpc.StepAuth:
		return replySecurity
	case e.Step >= smtpc.StepMail && e.Reply.IsZero():
		return replyBroken
	}
	return replyUnreachable
}
