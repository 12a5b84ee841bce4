package smtpd

import (
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// starttls begins TLS (RFC 3207). What was pipelined after the command is
// dropped unread: in plaintext anyone may have put it there. All that was
// learnt in plaintext is forgotten, the client has to say EHLO again.
func (c *conn) starttls(arg string) smtp.Reply {
	switch {
	case c.set.TLS == nil || c.set.off["STARTTLS"]:
		return replyNotOffered
	case c.info.TLS != nil:
		return smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "TLS is active already")
	case arg != "":
		return replyNoArgument
	case !c.idleCommand():
		return replyTooManyCommands
	}
	c.reset()
	if n := c.DiscardAll(); n > 0 {
		c.Log(slog.LevelWarn, "dropped what was pipelined after STARTTLS", slog.Int("octets", n))
	}
	c.send(smtp.NewReply(220, smtp.EnhancedCode{2, 0, 0}, "ready to start TLS"))
	if err := c.StartTLS(); err != nil {
		c.Log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
		c.closing = true
		return smtp.Reply{}
	}
	c.info.TLS = c.TLS
	c.greeted = false
	c.info.Helo, c.info.Extended, c.info.User = "", false, ""
	return smtp.Reply{}
}
