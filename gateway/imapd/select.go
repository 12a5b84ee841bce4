package imapd

import (
	"context"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// selectFolder is SELECT and EXAMINE (RFC 9051 sections 6.3.2 and 6.3.3, RFC
// 7162).
func (c *conn) selectFolder(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var s imap.SelectCommand
	if !d.SelectCommand(&s) {
		return reply{}, d.Err()
	}
	if s.QResync != nil && c.enabled&featureQResync == 0 {
		return reply{bad, "", "ENABLE QRESYNC comes before it"}, nil // RFC 7162 section 3.2.5
	}
	if s.CondStore && c.set.on("CONDSTORE") {
		c.enabled |= featureCondStore
	}
	if c.view != nil {
		c.unselect()
		c.write("* OK [CLOSED] The mailbox before is closed\r\n") // RFC 9051 section 7.1
	}
	v, err := c.user.Select(ctx, s.Mailbox, cmd.Name == imap.CmdExamine)
	if err != nil {
		return reply{}, err
	}
	c.view, c.state, c.told = v, inFolder, v.Folder().ModSeq
	if err := c.describe(ctx); err != nil {
		c.unselect()
		return reply{}, err
	}
	if s.QResync != nil {
		if err := c.resync(ctx, s.QResync); err != nil {
			c.unselect()
			return reply{}, err
		}
	}
	if v.ReadOnly() {
		return reply{ok, "READ-ONLY", "Opened for reading only"}, nil
	}
	return reply{ok, "READ-WRITE", "Opened"}, nil
}

// describe writes what SELECT tells of a folder.
func (c *conn) describe(ctx context.Context) error {
	f := c.view.Folder()
	c.w.Raw("* FLAGS ").Flags(imap.SystemFlags, f.Keywords...).CRLF()
	c.w.Raw("* OK [PERMANENTFLAGS ")
	switch {
	case c.view.ReadOnly():
		c.w.Raw("()")
	case len(f.Keywords) < mailbox.MaxKeywords:
		c.w.Flags(imap.SystemFlags, append(f.Keywords[:len(f.Keywords):len(f.Keywords)], `\*`)...)
	default:
		c.w.Flags(imap.SystemFlags, f.Keywords...)
	}
	c.w.Raw("] These can be changed\r\n")
	c.number(c.view.Len(), "EXISTS")
	if c.enabled&featureRev2 == 0 {
		c.number(c.view.RecentLen(), "RECENT")
		first, err := c.view.FirstUnseen(ctx)
		if err != nil {
			return err
		}
		if first != 0 {
			c.w.Raw("* OK [UNSEEN ").Num(first).Raw("] The first without \\Seen\r\n")
		}
	} else {
		// RFC 9051 section 6.3.2: the name as LIST has it.
		c.w.Raw("* LIST () \"" + mailbox.Separator + "\" ").Mailbox(f.Name).CRLF()
	}
	c.w.Raw("* OK [UIDVALIDITY ").Num(f.Validity).Raw("] UIDs are of this validity\r\n")
	c.w.Raw("* OK [UIDNEXT ").Num(f.Next).Raw("] The next UID\r\n")
	if c.set.on("CONDSTORE") {
		c.w.Raw("* OK [HIGHESTMODSEQ ").Uint(f.ModSeq).Raw("] The newest change\r\n")
	}
	c.w.Raw("* OK [MAILBOXID (" + f.ID.String() + ")] Its id\r\n") // RFC 8474
	return nil
}

// resync tells a client what has changed since it was here (RFC 7162 section
// 3.2.5). Of another validity it knows nothing.
func (c *conn) resync(ctx context.Context, q *imap.QResync) error {
	f := c.view.Folder()
	if q.Validity != f.Validity || q.ModSeq >= f.ModSeq {
		return nil
	}
	known := mailbox.AllUIDs
	if q.HasKnown {
		known = toUIDs(&q.Known)
	}
	asked := known
	if from := c.agreed(q); from > 0 {
		asked = above(known, from)
	}
	gone, err := c.view.VanishedSince(ctx, q.ModSeq, asked)
	if err != nil {
		return err
	}
	if len(gone) > 0 {
		c.w.Raw("* VANISHED (EARLIER) ")
		c.writeUIDs(gone)
		c.w.CRLF()
	}
	return c.view.EachChanged(c.nc.Context(), q.ModSeq, known, func(m *mailbox.Message) error {
		c.tellFlags(m)
		return c.w.Err()
	})
}

// agreed returns the last UID up to which the sequence match data show that
// nothing the client knows has gone; 0: none.
func (c *conn) agreed(q *imap.QResync) (last uint32) {
	if q.Seqs.Len() > maxMatch {
		return 0
	}
	uids := make([]uint32, 0, q.UIDs.Len())
	for u := range q.UIDs.All() {
		uids = append(uids, u)
	}
	i := 0
	for seq := range q.Seqs.All() {
		if c.view.UID(seq) != uids[i] {
			break
		}
		last = uids[i]
		i++
	}
	return last
}

// maxMatch is how many pairs of sequence match data are looked at: a client
// sends a few dozen.
const maxMatch = 10_000

// above returns those of the UIDs that are greater than from.
func above(uids mailbox.UIDs, from uint32) (out mailbox.UIDs) {
	for _, r := range uids {
		if r.First = max(r.First, from+1); r.First <= r.Last && from < 1<<32-1 {
			out = append(out, r)
		}
	}
	return out
}

// closeFolder is CLOSE: it expunges and tells nothing of it (RFC 9051 section
// 6.4.1).
func (c *conn) closeFolder(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	if c.view.ReadOnly() {
		c.unselect()
		return done("Closed"), nil
	}
	resync := c.enabled&featureQResync != 0
	if resync {
		if c.sync(ctx, false); c.closing {
			return reply{}, errLost
		}
	}
	known := c.told
	gone, err := c.view.Expunge(ctx, mailbox.AllUIDs, false)
	if err != nil {
		return reply{}, err
	}
	var code string
	if resync && len(gone) > 0 {
		code = c.closedAt(ctx, known)
	}
	c.unselect()
	return reply{ok, code, "Closed"}, nil
}

// closedAt is the modification sequence of a client that knew all up to known
// and closed the folder (RFC 7162 section 3.2.8): what it is not told it has to
// know by itself, so that it must be the only change.
func (c *conn) closedAt(ctx context.Context, known uint64) string {
	ch, err := c.view.Sync(ctx, true)
	if err != nil || ch.ModSeq != known+1 {
		return ""
	}
	return "HIGHESTMODSEQ " + strconv.FormatUint(ch.ModSeq, 10)
}

// unselectFolder is UNSELECT (RFC 9051 section 6.4.2).
func (c *conn) unselectFolder(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	c.unselect()
	return done("Unselected"), nil
}
