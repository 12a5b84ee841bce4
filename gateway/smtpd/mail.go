package smtpd

import (
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func (c *conn) syntax() smtp.Syntax {
	if c.set.StrictSyntax {
		return 0
	}
	return smtp.Lax | smtp.Underscore
}

// mail begins a transaction (RFC 5321 section 4.1.1.2).
func (c *conn) mail(arg string) smtp.Reply {
	switch {
	case !c.greeted:
		return replyWantHelo
	case c.chunking:
		return replyInChunks
	case c.tx != nil:
		return replyNested
	case c.set.RequireAuth && c.info.User == "":
		if c.info.TLS == nil { // RFC 3207 section 4
			return replyWantTLS
		}
		return replyWantAuth // RFC 6409 section 4.3
	}
	from, p, err := smtp.ParseMail(arg, c.syntax(), c.extensions())
	if err != nil {
		r, _ := smtp.AsReply(err)
		return r
	}
	if p.Size > c.set.Limits.Message { // RFC 1870 section 6.1
		return replyTooBig
	}
	held := max(p.HoldFor, time.Until(p.HoldUntil))
	switch {
	case held > c.set.FutureRelease:
		return replyHoldLong
	case p.DeliverBy.Return && held >= p.DeliverBy.Within: // it would be late before it may leave
		return replyHoldBy
	}
	if c.mails++; c.set.Limits.Transactions > 0 && c.mails > c.set.Limits.Transactions {
		return replyTooManyMails
	}
	tx, r, err := c.session.Mail(c.Context(), from, p)
	r = c.answer(r, err, smtp.NewReply(250, smtp.EnhancedCode{2, 1, 0}, "sender ok"))
	if !r.Positive() {
		return r
	}
	if tx == nil {
		return replyInternal
	}
	c.tx, c.utf8, c.prdr = tx, p.SMTPUTF8, p.PRDR
	return r
}
