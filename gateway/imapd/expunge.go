package imapd

import (
	"context"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// expunge is EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9).
func (c *conn) expunge(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	uids := mailbox.AllUIDs
	if cmd.UID {
		var s imap.NumSet
		if !d.UIDExpunge(&s) {
			return reply{}, d.Err()
		}
		uids = c.named(&s, true)
	} else if !d.End() {
		return reply{}, d.Err()
	}
	if c.view.ReadOnly() {
		return reply{}, mailbox.ErrReadOnly
	}
	if _, err := c.view.Expunge(ctx, uids, false); err != nil {
		return reply{}, err
	}
	return c.afterExpunge(ctx, "Expunged")
}

// afterExpunge tells what went, and the modification sequence that a client
// then knows (RFC 7162 section 3.2.8).
func (c *conn) afterExpunge(ctx context.Context, text string) (reply, error) {
	c.sync(ctx, false)
	if c.enabled&featureQResync == 0 || c.closing {
		return done(text), nil
	}
	return reply{ok, "HIGHESTMODSEQ " + strconv.FormatUint(c.view.Folder().ModSeq, 10), text}, nil
}
