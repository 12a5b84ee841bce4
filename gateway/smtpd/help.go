package smtpd

import "github.com/gapura-mail/gapura/gateway/smtp"

// help says where to look (RFC 5321 section 4.1.1.8).
func (c *conn) help() smtp.Reply {
	if !c.idleCommand() {
		return replyTooManyCommands
	}
	return smtp.NewReply(214, smtp.EnhancedCode{2, 0, 0}, "see RFC 5321; for help with mail to this host write to its postmaster")
}
