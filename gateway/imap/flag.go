package imap

import "slices"

// Flag is a system flag, as a bit (RFC 9051 section 2.3.2).
type Flag uint8

// The system flags. Recent is only told, never set (RFC 3501).
const (
	Answered Flag = 1 << iota
	Flagged
	Deleted
	Seen
	Draft
	Recent
)

// SystemFlags are those that a client may set.
const SystemFlags = Answered | Flagged | Deleted | Seen | Draft

// Bounds of the flags of one command.
const (
	MaxKeywords = 128 // keywords in one list
	MaxKeyword  = 128 // octets of a keyword
)

// Flags are the flags of a message or of a command. Keywords keep the case
// they came in; their names are case-insensitive.
type Flags struct {
	System   Flag
	Keywords []string
}

// FlagList expects flags in parentheses.
func (d *Decoder) FlagList(out *Flags) bool {
	out.System, out.Keywords = 0, out.Keywords[:0]
	if !d.Byte('(') {
		return false
	}
	if d.Take(')') {
		return true
	}
	for {
		if !d.Flag(out) {
			return false
		}
		if d.Take(')') {
			return true
		}
		if !d.SP() {
			return false
		}
	}
}

// Flag expects a flag, and adds it to out. \Recent is not for clients to set.
func (d *Decoder) Flag(out *Flags) bool {
	system := d.Take('\\')
	var w []byte
	if !d.Atom(&w) {
		return false
	}
	if system {
		f := systemFlag(w)
		if f == 0 {
			d.pos -= len(w)
			return d.Fail("a system flag")
		}
		out.System |= f
		return true
	}
	if len(w) > MaxKeyword {
		return d.Refuse("LIMIT", "the keyword is too long")
	}
	if len(out.Keywords) >= MaxKeywords {
		return d.Refuse("LIMIT", "too many keywords")
	}
	if !slices.ContainsFunc(out.Keywords, func(k string) bool { return foldEqual(k, w) }) {
		out.Keywords = append(out.Keywords, keywordOf(w))
	}
	return true
}

// foldEqual compares in ASCII, case aside.
func foldEqual(a string, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if upper(a[i]) != upper(b[i]) {
			return false
		}
	}
	return true
}

// keywordOf returns w as a string, without allocating for those in much use.
func keywordOf(w []byte) string {
	switch string(w) {
	case "$Forwarded":
		return "$Forwarded"
	case "$MDNSent":
		return "$MDNSent"
	case "$Junk":
		return "$Junk"
	case "$NotJunk":
		return "$NotJunk"
	case "$Phishing":
		return "$Phishing"
	case "$Important":
		return "$Important"
	case "Junk":
		return "Junk"
	case "NonJunk":
		return "NonJunk"
	}
	return string(w)
}

func systemFlag(w []byte) Flag {
	switch {
	case equalFold(w, "SEEN"):
		return Seen
	case equalFold(w, "DELETED"):
		return Deleted
	case equalFold(w, "FLAGGED"):
		return Flagged
	case equalFold(w, "ANSWERED"):
		return Answered
	case equalFold(w, "DRAFT"):
		return Draft
	}
	return 0
}

var flagNames = [...]string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`, `\Recent`}

// AppendFlags writes flags, separated by spaces, behind b: without
// parentheses.
func AppendFlags(b []byte, system Flag, keywords ...string) []byte {
	start := len(b)
	for i, name := range flagNames {
		if system&(1<<i) != 0 {
			if len(b) > start {
				b = append(b, ' ')
			}
			b = append(b, name...)
		}
	}
	for _, k := range keywords {
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(b, k...)
	}
	return b
}
