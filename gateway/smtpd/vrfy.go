package smtpd

import "github.com/gapura-mail/gapura/gateway/smtp"

// vrfy tells nothing about addresses (RFC 5321 sections 3.5.3 and 7.3).
func (c *conn) vrfy(verb, arg string) smtp.Reply {
	if !c.idleCommand() {
		return replyTooManyCommands
	}
	if verb == "EXPN" {
		return replyNotOffered
	}
	if arg == "" {
		return smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "the form is VRFY address")
	}
	return smtp.NewReply(252, smtp.EnhancedCode{2, 5, 1}, "send mail to find out")
}
