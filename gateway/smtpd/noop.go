package smtpd

import "github.com/gapura-mail/gapura/gateway/smtp"

// noop does nothing, with or without an argument (RFC 5321 section 4.1.1.9).
func (c *conn) noop() smtp.Reply {
	if !c.idleCommand() {
		return replyTooManyCommands
	}
	return smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "ok")
}
