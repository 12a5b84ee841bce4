package smtpd

import "github.com/gapura-mail/gapura/gateway/smtp"

// quit ends the connection (RFC 5321 section 4.1.1.10).
func (c *conn) quit(arg string) smtp.Reply {
	if arg != "" {
		return replyNoArgument
	}
	c.closing = true
	c.Quiet()
	return replyBye
}
