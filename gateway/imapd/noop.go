package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// noop is NOOP, and CHECK of IMAP4rev1: the changes are told before its reply,
// as for any command (RFC 9051 section 6.1.2).
func (c *conn) noop(_ context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	return done("Done"), nil
}
