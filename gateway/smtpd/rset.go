package smtpd

import "github.com/gapura-mail/gapura/gateway/smtp"

// rset gives the transaction up (RFC 5321 section 4.1.1.5).
func (c *conn) rset(arg string) smtp.Reply {
	if arg != "" {
		return replyNoArgument
	}
	if !c.idleCommand() {
		return replyTooManyCommands
	}
	c.reset()
	return smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "reset")
}
