package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// delete is DELETE (RFC 9051 section 6.3.5). Mailboxes below the one that goes
// stay.
func (c *conn) delete(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var name string
	if !d.SP() || !d.Mailbox(&name) || !d.End() {
		return reply{}, d.Err()
	}
	f, err := c.user.Folder(ctx, name)
	if err != nil {
		return reply{}, err
	}
	if err := c.user.Delete(ctx, name); err != nil {
		return reply{}, err
	}
	if c.view != nil && c.view.Folder().ID == f.ID {
		c.unselect()
		c.write("* OK [CLOSED] The selected mailbox has been deleted\r\n")
	}
	return done("Deleted"), nil
}
