package imapd

import (
	"context"
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// starttls begins TLS (RFC 9051 section 6.2.1). What was sent after the command
// is dropped unread: in plaintext anyone may have put it there.
func (c *conn) starttls(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	if c.set.TLS == nil {
		return reply{no, "", "TLS is not available"}, nil
	}
	if c.nc.TLS != nil {
		return reply{bad, "", "TLS is active already"}, nil
	}
	c.finish(c.cmd.Name, done("Begin TLS"))
	if n := c.nc.DiscardAll(); n > 0 {
		c.log(slog.LevelWarn, "dropped what was sent after STARTTLS", slog.Int("octets", n))
	}
	c.flush()
	if err := c.nc.StartTLS(); err != nil {
		c.log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
		c.closing = true
	}
	return reply{}, nil
}
