package imapd

import (
	"strconv"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// toUIDs returns a set that has been resolved as the store has it.
func toUIDs(s *imap.NumSet) mailbox.UIDs {
	out := make(mailbox.UIDs, len(s.Ranges))
	for i, r := range s.Ranges {
		out[i] = mailbox.Range{First: r.Start, Last: r.Stop}
	}
	return out
}

// chosen returns the UIDs that a command's set means, of messages that are
// there. A sequence number above the last one is an error (RFC 9051 section 9,
// seq-number), of UIDs those that are not there are passed over.
func (c *conn) chosen(s *imap.NumSet, uid bool) (mailbox.UIDs, error) {
	n := c.view.Len()
	if !uid && !s.Saved {
		for _, r := range s.Ranges {
			// A client that has not heard of an expunge yet may say 45:*, and
			// means what is new; the last one is in it, as with Dovecot.
			if r.Start != imap.Star && r.Stop != imap.Star && max(r.Start, r.Stop) > n {
				return nil, &imap.SyntaxError{Want: "no message number above " + strconv.FormatUint(uint64(n), 10)}
			}
		}
	}
	return c.named(s, uid), nil
}

// named is chosen, and passes over sequence numbers that are too great.
func (c *conn) named(s *imap.NumSet, uid bool) mailbox.UIDs {
	n := c.view.Len()
	switch {
	case s.Saved: // RFC 5182
		return c.view.Only(c.saved)
	case n == 0:
		return nil
	case uid:
		s.Resolve(c.view.UID(n))
		return c.view.Only(toUIDs(s))
	}
	s.Resolve(n)
	return c.view.UIDsOf(toUIDs(s))
}

// systemFlags are the system flags as imap and as the store have them; the
// store's are in the order of their bits.
var systemFlags = [...]struct {
	imap  imap.Flag
	store mailbox.Flags
	name  string
}{
	{imap.Seen, mailbox.Seen, `\Seen`},
	{imap.Answered, mailbox.Answered, `\Answered`},
	{imap.Flagged, mailbox.Flagged, `\Flagged`},
	{imap.Deleted, mailbox.Deleted, `\Deleted`},
	{imap.Draft, mailbox.Draft, `\Draft`},
}

// flagNames returns the names of flags.
func flagNames(f *imap.Flags) []string {
	names := make([]string, 0, len(f.Keywords)+len(systemFlags))
	for _, s := range systemFlags {
		if f.System&s.imap != 0 {
			names = append(names, s.name)
		}
	}
	return append(names, f.Keywords...)
}

// storeFlags turns system flags of a command into the store's.
func storeFlags(f imap.Flag) (out mailbox.Flags) {
	for _, s := range systemFlags {
		if f&s.imap != 0 {
			out |= s.store
		}
	}
	return out
}

// writeFlags writes a message's flags in parentheses.
func (c *conn) writeFlags(k mailbox.Keywords, m *mailbox.Message) {
	f := m.Flags
	c.w.Byte('(')
	first := true
	if c.isRecent(m.UID) {
		c.w.Raw(`\Recent`)
		first = false
	}
	for _, s := range systemFlags {
		if f&s.store == 0 {
			continue
		}
		if !first {
			c.w.SP()
		}
		c.w.Raw(s.name)
		first = false
	}
	if f &^= mailbox.System; f != 0 {
		for _, name := range k.Names(f) {
			if !first {
				c.w.SP()
			}
			c.w.Raw(name)
			first = false
		}
	}
	c.w.Byte(')')
}

// writeSet writes single numbers, in order, as a set.
func (c *conn) writeSet(list []uint32) {
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && list[j] == list[j-1]+1 {
			j++
		}
		if i > 0 {
			c.w.Byte(',')
		}
		c.w.Num(list[i])
		if j > i+1 {
			c.w.Byte(':').Num(list[j-1])
		}
		i = j
	}
}
