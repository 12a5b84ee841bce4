package sieved

import (
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/deadline"
)

// starttls begins TLS (RFC 5804 section 2.2). What was pipelined after the
// command is dropped unread: in plaintext anyone may have put it there.
func (c *conn) starttls(*deadline.Context, []word) error {
	if c.set.TLS == nil || c.TLS != nil {
		c.no("", "This is not offered")
		return errSaid
	}
	if n := c.DiscardAll(); n > 0 {
		c.log(slog.LevelWarn, "dropped what was pipelined after STARTTLS", slog.Int("octets", n))
	}
	c.ok("", "Begin TLS")
	if err := c.StartTLS(); err != nil {
		c.log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
		c.closing = true
		return errSaid
	}
	c.capabilities()
	c.ok("", "TLS it is")
	return errSaid
}
