package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// selected is what a session has besides the View while a folder is selected;
// its fields belong to the commands of that state.
type selected struct {
	saved mailbox.UIDs // the result that SEARCH saved (RFC 5182)
	told  uint64       // modification sequence up to which all has been told
}

// sync tells what changed in the selected folder (RFC 9051 section 7.4). With
// keep no sequence number changes (section 7.5.1).
func (c *conn) sync(ctx context.Context, keep bool) {
	if c.view == nil {
		return
	}
	ch, err := c.view.Sync(ctx, keep)
	if err != nil {
		c.explain(err) // a deleted folder ends the session; anything else is told another time
		return
	}
	if ch.Any() {
		c.tell(ch)
		c.noticeNew(ctx, ch)
	}
	f := c.view.Folder()
	switch {
	case c.view.Len() == f.Messages:
		c.told = f.ModSeq
	case c.enabled&featureQResync != 0:
		// What has gone is told later than newer changes: a client that comes
		// back must not believe that it knows all up to those (RFC 7162
		// section 3.2).
		c.w.Raw("* OK [HIGHESTMODSEQ ").Uint(c.told).Raw("] Some have gone, which is told later\r\n")
	}
}

// tell writes changes.
func (c *conn) tell(ch *mailbox.Changes) {
	switch {
	case len(ch.Vanished) == 0:
	case c.enabled&featureQResync != 0: // RFC 7162 section 3.2.10.2
		c.w.Raw("* VANISHED ")
		c.writeUIDs(ch.Vanished)
		c.w.CRLF()
	default:
		for _, seq := range ch.Expunged {
			c.number(seq, "EXPUNGE")
		}
	}
	if ch.Appended > 0 {
		c.number(ch.Exists, "EXISTS")
		if c.enabled&featureRev2 == 0 {
			c.number(c.view.RecentLen(), "RECENT")
		}
	}
	if ch.Keywords {
		c.w.Raw("* FLAGS ").Flags(imap.SystemFlags, c.view.Folder().Keywords...).CRLF()
	}
	for i := range ch.Flags {
		c.tellFlags(&ch.Flags[i])
	}
}

// number writes an untagged response that begins with a number.
func (c *conn) number(n uint32, name string) { c.w.Untagged().Num(n).SP().Raw(name).CRLF() }

// writeUIDs writes a set that is not empty.
func (c *conn) writeUIDs(u mailbox.UIDs) {
	for i, r := range u {
		if i > 0 {
			c.w.Byte(',')
		}
		c.w.Num(r.First)
		if r.Last > r.First {
			c.w.Byte(':').Num(r.Last)
		}
	}
}

// tellFlags writes a FETCH response with flags, and MODSEQ where the client
// wants it (RFC 7162 section 3.1.4.1).
func (c *conn) tellFlags(m *mailbox.Message) {
	c.w.Untagged().Num(m.Seq).Raw(" FETCH (")
	if c.enabled&featureQResync != 0 {
		c.w.Raw("UID ").Num(m.UID).SP()
	}
	if c.enabled&featureCondStore != 0 {
		c.w.Raw("MODSEQ (").Uint(m.ModSeq).Raw(") ")
	}
	c.w.Raw("FLAGS ")
	c.writeFlags(c.view.Folder().Keywords, m)
	c.w.Raw(")\r\n")
}

// isRecent tells whether a message has \Recent, which IMAP4rev2 has not any
// more (RFC 9051 appendix E).
func (c *conn) isRecent(uid uint32) bool {
	return c.enabled&featureRev2 == 0 && c.view.Recent().Contains(uid)
}

// unselect leaves the selected folder.
func (c *conn) unselect() {
	c.endIdle()
	if c.view == nil {
		return
	}
	c.view.Close()
	c.armed = nil
	c.view, c.selected = nil, selected{}
	c.state = authenticated
}
