package imapd

import (
	"context"
	"slices"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// store is STORE and UID STORE (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3).
func (c *conn) store(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var s imap.Store
	if !d.Store(&s) {
		return reply{}, d.Err()
	}
	if c.view.ReadOnly() {
		return reply{}, mailbox.ErrReadOnly
	}
	var since *uint64
	if s.HasUnchangedSince {
		c.enabled |= featureCondStore
		since = &s.UnchangedSince
	}
	uids, err := c.chosen(&s.Set, cmd.UID)
	if err != nil {
		return reply{}, err
	}
	ch, err := c.view.Change(ctx, uids, storeHow[s.How], flagNames(&s.Flags), since)
	if err != nil {
		return reply{}, err
	}
	if c.newKeywords(&s.Flags) {
		c.sync(ctx, true) // FLAGS comes before what has the new ones, and numbers stay
		if c.closing {
			return reply{}, errLost
		}
	}
	c.tellStored(ch, cmd.UID, s.Silent)
	switch {
	case len(ch.Modified) > 0:
		set := ch.Modified
		if !cmd.UID {
			set = c.view.SeqsOf(set)
		}
		return reply{ok, "MODIFIED " + setText(set), "Some have changed meanwhile"}, nil
	case ch.Missed > 0:
		return reply{ok, "EXPUNGEISSUED", "Some have been expunged meanwhile"}, nil
	}
	return done("Stored"), nil
}

// newKeywords tells whether there are flags that the view does not know yet.
func (c *conn) newKeywords(f *imap.Flags) bool {
	if len(f.Keywords) == 0 {
		return false
	}
	known := c.view.Folder().Keywords
	return slices.ContainsFunc(f.Keywords, func(k string) bool { return known.Flag(k) == 0 })
}

var storeHow = [...]mailbox.How{imap.StoreSet: mailbox.SetFlags, imap.StoreAdd: mailbox.AddFlags, imap.StoreRemove: mailbox.RemoveFlags}

// tellStored answers with the new flags; of a silent STORE with MODSEQ alone,
// for clients that keep it (RFC 7162 section 3.1.3).
func (c *conn) tellStored(ch *mailbox.Changed, uid, silent bool) {
	modseq := c.enabled&featureCondStore != 0
	if silent && !modseq {
		return
	}
	keywords := c.view.Folder().Keywords
	uid = uid || c.enabled&featureQResync != 0
	for i := range ch.Done {
		m := &ch.Done[i]
		c.w.Untagged().Num(m.Seq).Raw(" FETCH (")
		if uid {
			c.w.Raw("UID ").Num(m.UID)
			if modseq || !silent {
				c.w.SP()
			}
		}
		if modseq {
			c.w.Raw("MODSEQ (").Uint(m.ModSeq).Byte(')')
			if !silent {
				c.w.SP()
			}
		}
		if !silent {
			c.w.Raw("FLAGS ")
			c.writeFlags(keywords, m)
		}
		c.w.Raw(")\r\n")
	}
}

// setText returns a set as it is written.
func setText(u mailbox.UIDs) string {
	var s imap.NumSet
	for _, r := range u {
		s.AddRange(r.First, r.Last)
	}
	return s.String()
}
