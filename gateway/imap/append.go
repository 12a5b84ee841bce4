package imap

import "time"

// AppendMessage is what APPEND says before a message (RFC 9051 section 6.3.12,
// RFC 3502).
type AppendMessage struct {
	Flags Flags
	Date  time.Time // zero: none was given
	UTF8  bool      // in the form UTF8 (~{...}) of RFC 6855
	Literal
}

// ParseAppend expects what follows APPEND in a command that ends in the head
// of the first message's literal. Err is ErrMore where it ends in that of the
// mailbox name.
func (d *Decoder) ParseAppend(mailbox *string, m *AppendMessage) bool {
	return d.SP() && d.Mailbox(mailbox) && d.AppendMessage(m)
}

// AppendMessage expects a message as it follows the mailbox name or the
// message before (MULTIAPPEND): a space, flags, a date, the head of a literal,
// and the end. What stands behind the octets of a message is a command for
// Reset: where it is empty (or `)` after one with UTF8) APPEND is complete.
func (d *Decoder) AppendMessage(m *AppendMessage) bool {
	*m = AppendMessage{}
	if !d.SP() {
		return false
	}
	if d.Peek() == '(' && (!d.FlagList(&m.Flags) || !d.SP()) {
		return false
	}
	if d.Peek() == '"' && (!d.DateTime(&m.Date) || !d.SP()) {
		return false
	}
	if d.TakeWord("UTF8") {
		m.UTF8 = true
		if !d.SP() || !d.Byte('(') {
			return false
		}
	}
	lit, n, ok := literalHead(d.Rest())
	if d.err != nil || !ok || m.UTF8 && !lit.Binary {
		return d.Fail("a literal")
	}
	m.Literal = lit
	d.pos += n
	return d.End()
}
