package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// namespace is NAMESPACE (RFC 9051 section 6.3.10): all is the user's own.
func (c *conn) namespace(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	c.write(`* NAMESPACE (("" "`, mailbox.Separator, `")) NIL NIL`, "\r\n")
	return done("NAMESPACE completed"), nil
}
