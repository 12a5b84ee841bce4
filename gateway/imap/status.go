package imap

// StatusItem is what STATUS can tell of a mailbox, as a bit (RFC 9051 section
// 6.3.11, RFC 7162, RFC 7889, RFC 8438, RFC 8474, RFC 9208).
type StatusItem uint16

// The items.
const (
	StatusMessages StatusItem = 1 << iota
	StatusRecent
	StatusUIDNext
	StatusUIDValidity
	StatusUnseen
	StatusDeleted
	StatusSize
	StatusHighestModSeq
	StatusAppendLimit
	StatusMailboxID
	StatusDeletedStorage
)

var statusNames = [...]string{
	"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID", "DELETED-STORAGE",
}

// String returns the name of one item.
func (i StatusItem) String() string {
	for n, name := range statusNames {
		if i == 1<<n {
			return name
		}
	}
	return ""
}

// StatusItems expects items in parentheses, at least one.
func (d *Decoder) StatusItems(out *StatusItem) bool {
	var items StatusItem
	if !d.List(func() bool { return takeBit(d, statusNames[:], &items, "a STATUS item") }) {
		return false
	}
	if items == 0 {
		return d.Fail("a STATUS item")
	}
	*out = items
	return true
}

// takeBit expects one of names, and sets its bit.
func takeBit[T ~uint8 | ~uint16 | ~uint32](d *Decoder, names []string, out *T, want string) bool {
	start := d.pos
	var w []byte
	if !d.Atom(&w) {
		return false
	}
	for i, name := range names {
		if equalFold(w, name) {
			*out |= 1 << i
			return true
		}
	}
	d.pos = start
	return d.Fail(want)
}

// Status is the STATUS command.
type Status struct {
	Mailbox string
	Items   StatusItem
}

// Status expects what follows the command's name.
func (d *Decoder) Status(out *Status) bool {
	return d.SP() && d.Mailbox(&out.Mailbox) && d.SP() && d.StatusItems(&out.Items) && d.End()
}
