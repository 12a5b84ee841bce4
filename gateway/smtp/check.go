package smtp

import (
	"unicode"
	"unicode/utf8"
)

// CheckAddress judges an address by itself: whether it is a Mailbox of RFC
// 5321 section 4.1.2, non-ASCII text of RFC 6531 included, and whether it is
// an addr-spec of RFC 5322 section 3.4.1 with comments, folding and obsolete
// forms. reason says in plain words why it is no Mailbox, or that it needs
// SMTPUTF8.
func CheckAddress(raw []byte) (smtpValid, headerValid bool, reason string) {
	a, err := ParseMailbox(string(raw), UTF8)
	h := headerScanner{s: raw}
	headerValid = h.addrSpec()
	switch {
	case err == nil && !a.IsASCII():
		reason = "the address needs SMTPUTF8"
	case err != nil && headerValid:
		reason = err.Error() + "; it may stand in a header only"
	case err != nil:
		reason = err.Error()
	}
	return err == nil, headerValid, reason
}

// headerScanner reads RFC 5322 grammar; its methods tell whether what they
// are named for was there, and step over it.
type headerScanner struct {
	s []byte
	i int
}

func (h *headerScanner) peek() byte {
	if h.i < len(h.s) {
		return h.s[h.i]
	}
	return 0
}

func (h *headerScanner) next(c byte) bool {
	if h.i < len(h.s) && h.s[h.i] == c {
		h.i++
		return true
	}
	return false
}

func (h *headerScanner) addrSpec() bool {
	return h.dotted(h.word) && h.next('@') && h.domain() && h.i == len(h.s)
}

// dotted reads one or more items with dots between them and CFWS anywhere:
// local-part, dot-atom and their obsolete forms.
func (h *headerScanner) dotted(item func() bool) bool {
	for {
		if !h.cfws() || !item() || !h.cfws() {
			return false
		}
		if !h.next('.') {
			return true
		}
	}
}

func (h *headerScanner) word() bool {
	if h.next('"') {
		return h.quoted()
	}
	return h.atom()
}

func (h *headerScanner) atom() bool {
	start := h.i
	for h.i < len(h.s) {
		if c := h.s[h.i]; c < 0x80 {
			if !isAtext(c) {
				break
			}
			h.i++
		} else if !h.utf8() {
			return false
		}
	}
	return h.i > start
}

func (h *headerScanner) quoted() bool {
	return h.until('"', 0)
}

func (h *headerScanner) domain() bool {
	mark := h.i
	if h.cfws() && h.next('[') {
		return h.until(']', '[') && h.cfws()
	}
	h.i = mark
	return h.dotted(h.atom)
}

// until reads text, folding white space and quoted-pairs up to end; not may
// not stand in it.
func (h *headerScanner) until(end, not byte) bool {
	for h.i < len(h.s) {
		c := h.s[h.i]
		switch {
		case c == end:
			h.i++
			return true
		case c == not && not != 0:
			return false
		case !h.text(c):
			return false
		}
	}
	return false
}

// text steps over one character, quoted-pair or piece of white space.
func (h *headerScanner) text(c byte) bool {
	switch {
	case c == '\\':
		h.i++
		if h.i == len(h.s) {
			return false
		}
		if h.s[h.i] >= 0x80 {
			return h.utf8()
		}
		h.i++
		return true
	case c == ' ' || c == '\t' || c == '\r':
		return h.fws()
	case c >= 0x80:
		return h.utf8()
	case c == 0 || c == '\n':
		return false
	}
	h.i++ // printable, or obs-NO-WS-CTL
	return true
}

func (h *headerScanner) utf8() bool {
	r, n := utf8.DecodeRune(h.s[h.i:])
	h.i += n
	return n > 1 && !unicode.IsControl(r)
}

// fws reads folding white space; a CRLF counts only with white space after it.
func (h *headerScanner) fws() bool {
	start := h.i
	for h.i < len(h.s) {
		switch c := h.s[h.i]; {
		case c == ' ' || c == '\t':
			h.i++
		case c == '\r' && h.i+2 < len(h.s) && h.s[h.i+1] == '\n' && (h.s[h.i+2] == ' ' || h.s[h.i+2] == '\t'):
			h.i += 3
		default:
			return h.i > start
		}
	}
	return h.i > start
}

// cfws reads comments and white space, perhaps none; it is false for a
// comment that does not end.
func (h *headerScanner) cfws() bool {
	for {
		h.fws()
		if h.peek() != '(' {
			return true
		}
		depth := 0
		for {
			if h.i == len(h.s) {
				return false
			}
			c := h.s[h.i]
			if c != '(' && c != ')' {
				if !h.text(c) {
					return false
				}
				continue
			}
			h.i++
			if c == '(' {
				depth++
			} else if depth--; depth == 0 {
				break
			}
		}
	}
}
