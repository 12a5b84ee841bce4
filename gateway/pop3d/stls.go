package pop3d

import "log/slog"

// mayStartTLS tells whether STLS is offered.
func (c *conn) mayStartTLS() bool { return c.set.TLS != nil && c.TLS == nil }

// stls begins TLS (RFC 2595 section 4). What was pipelined after the command is
// dropped unread: in plaintext anyone may have put it there. What was said
// before is forgotten.
func (c *conn) stls(arg []byte) error {
	switch {
	case len(arg) > 0:
		return errForm
	case !c.mayStartTLS(), c.utf8: // RFC 6856 section 2.1
		return errOffered
	}
	c.name = ""
	if n := c.DiscardAll(); n > 0 {
		c.log(slog.LevelWarn, "dropped what was pipelined after STLS", slog.Int("octets", n))
	}
	c.say("Begin TLS")
	if err := c.StartTLS(); err != nil {
		c.log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
		c.closing = true
		return errSaid
	}
	return nil
}
