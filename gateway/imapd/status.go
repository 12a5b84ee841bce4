package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// status is STATUS (RFC 9051 section 6.3.11): all of it is in the folder's row.
func (c *conn) status(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var s imap.Status
	if !d.Status(&s) {
		return reply{}, d.Err()
	}
	f, err := c.user.Folder(ctx, s.Mailbox)
	if err != nil {
		return reply{}, err
	}
	c.tellStatus(&f, s.Items)
	return done("STATUS completed"), nil
}

// tellStatus writes a STATUS response. Who asks for HIGHESTMODSEQ enables
// CONDSTORE (RFC 7162 section 3.1.2).
func (c *conn) tellStatus(f *mailbox.Folder, items imap.StatusItem) {
	if items&imap.StatusHighestModSeq != 0 {
		c.enabled |= featureCondStore
	}
	c.w.Raw("* STATUS ").Mailbox(f.Name).Raw(" (")
	for i, first := imap.StatusItem(1), true; i <= items && i != 0; i <<= 1 {
		if items&i == 0 {
			continue
		}
		if !first {
			c.w.SP()
		}
		first = false
		c.w.Raw(i.String()).SP()
		c.statusItem(f, i)
	}
	c.w.Raw(")\r\n")
}

func (c *conn) statusItem(f *mailbox.Folder, item imap.StatusItem) {
	switch item {
	case imap.StatusMessages:
		c.w.Num(f.Messages)
	case imap.StatusUIDNext:
		c.w.Num(f.Next)
	case imap.StatusUIDValidity:
		c.w.Num(f.Validity)
	case imap.StatusUnseen:
		c.w.Num(f.Unseen)
	case imap.StatusDeleted:
		c.w.Num(f.Deleted)
	case imap.StatusSize: // RFC 8438
		c.w.Uint(uint64(f.Size))
	case imap.StatusHighestModSeq:
		c.w.Uint(f.ModSeq)
	case imap.StatusAppendLimit: // RFC 7889
		c.w.Uint(uint64(c.set.Limits.Message))
	case imap.StatusMailboxID: // RFC 8474
		c.w.Byte('(').Raw(f.ID.String()).Byte(')')
	case imap.StatusDeletedStorage: // RFC 9208 section 4.1.4
		c.w.Uint(uint64(f.DeletedSize))
	case imap.StatusRecent:
		c.w.Num(f.Recent)
	}
}
