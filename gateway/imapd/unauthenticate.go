package imapd

import (
	"context"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// unauthenticate is UNAUTHENTICATE (RFC 8437): another user may log in.
func (c *conn) unauthenticate(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	c.unselect()
	c.deauthenticate()
	c.since = time.Now()
	return done("Logged out"), nil
}
