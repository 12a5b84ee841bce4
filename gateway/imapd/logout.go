package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// logout is LOGOUT (RFC 9051 section 6.1.3).
func (c *conn) logout(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	c.write("* BYE Goodbye\r\n")
	c.closing = true
	return done("LOGOUT completed"), nil
}
