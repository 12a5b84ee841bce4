package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// subscribe is SUBSCRIBE and UNSUBSCRIBE (RFC 9051 sections 6.3.7 and 6.3.8).
// There need not be a mailbox of the name.
func (c *conn) subscribe(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var name string
	if !d.SP() || !d.Mailbox(&name) || !d.End() {
		return reply{}, d.Err()
	}
	if err := c.user.Subscribe(ctx, name, cmd.Name == imap.CmdSubscribe); err != nil {
		return reply{}, err
	}
	return done("Done"), nil
}
