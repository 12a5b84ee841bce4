package imapd

import (
	"context"
	"errors"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// rename is RENAME (RFC 9051 section 6.3.6). Who has enabled IMAP4rev2 is told
// the old name (section 6.3.9.7).
func (c *conn) rename(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var from, to string
	if !d.SP() || !d.Mailbox(&from) || !d.SP() || !d.Mailbox(&to) || !d.End() {
		return reply{}, d.Err()
	}
	if err := c.user.Rename(ctx, from, to); err != nil {
		return reply{}, err
	}
	if c.enabled&featureRev2 != 0 && from != mailbox.Inbox {
		switch f, err := c.user.Folder(ctx, to); {
		case err == nil:
			c.w.Raw(`* LIST () "/" `).Mailbox(f.Name).Raw(` ("OLDNAME" (`).Mailbox(from).Raw("))\r\n")
		case !errors.Is(err, mailbox.ErrNoFolder): // somebody else was as quick
			return reply{}, err
		}
	}
	return done("Renamed"), nil
}
