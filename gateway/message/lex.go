package message

import "strings"

// lexer reads the structured values of header fields (RFC 5322 section 3.2).
// It never goes back, so that reading is linear in the length of the value.
type lexer struct {
	s   string
	pos int
	bad bool // a comment, quoted string or literal was not closed
}

func (l *lexer) end() bool { return l.pos >= len(l.s) }

// peek returns the next octet, 0 at the end.
func (l *lexer) peek() byte {
	if l.end() {
		return 0
	}
	return l.s[l.pos]
}

// accept takes c if it comes next.
func (l *lexer) accept(c byte) bool {
	if l.end() || l.s[l.pos] != c {
		return false
	}
	l.pos++
	return true
}

// skip goes past white space, line ends and comments; it returns the text of
// the last comment.
func (l *lexer) skip() (comment string) {
	for !l.end() {
		switch l.s[l.pos] {
		case ' ', '\t', '\r', '\n':
			l.pos++
		case '(':
			comment = l.comment()
		default:
			return comment
		}
	}
	return comment
}

// comment reads one with those nested in it.
func (l *lexer) comment() string {
	start, depth := l.pos+1, 0
	for ; !l.end(); l.pos++ {
		switch l.s[l.pos] {
		case '\\':
			l.pos++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				l.pos++
				return l.s[start : l.pos-1]
			}
		}
	}
	l.pos = len(l.s)
	l.bad = true
	return l.s[min(start, len(l.s)):]
}

// quoted reads a quoted string, at whose first quote the lexer is, and
// returns it unquoted, line ends left out.
func (l *lexer) quoted() string {
	l.pos++
	rest := l.s[l.pos:]
	i := strings.IndexAny(rest, "\"\\\r\n")
	if i >= 0 && rest[i] == '"' {
		l.pos += i + 1
		return rest[:i]
	}
	var b strings.Builder
	for ; !l.end(); l.pos++ {
		c := l.s[l.pos]
		switch c {
		case '"':
			l.pos++
			return b.String()
		case '\\':
			if l.pos+1 < len(l.s) {
				l.pos++
				c = l.s[l.pos]
			}
		case '\r', '\n':
			continue
		}
		b.WriteByte(c)
	}
	l.bad = true
	return b.String()
}

// literal reads a domain literal with its brackets, white space left out.
func (l *lexer) literal() string {
	i := strings.IndexByte(l.s[l.pos:], ']')
	if i < 0 {
		l.bad = true
		i = len(l.s) - l.pos - 1
	}
	lit := l.s[l.pos : l.pos+i+1]
	l.pos += i + 1
	return strings.Join(strings.Fields(lit), "")
}

// run reads octets until one of stop, white space or a control character.
func (l *lexer) run(stop string) string {
	start := l.pos
	for !l.end() {
		c := l.s[l.pos]
		if c <= ' ' || c == 0x7f || strings.IndexByte(stop, c) >= 0 {
			break
		}
		l.pos++
	}
	return l.s[start:l.pos]
}

const (
	specials  = `()<>[]:;@\,."`   // RFC 5322 section 3.2.3
	tspecials = `()<>@,;:\"/[]?=` // RFC 2045 section 5.1
)

// isToken tells whether s is a token of RFC 2045.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(tspecials, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// isDotAtom tells whether s is a dot-atom (RFC 5322, with RFC 6532's UTF-8).
func isDotAtom(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || c != '.' && strings.IndexByte(specials, c) >= 0 {
			return false
		}
		if c == '.' && (i == 0 || i == len(s)-1 || s[i-1] == '.') {
			return false
		}
	}
	return s != ""
}

// quote makes s a quoted string; control characters are gone.
func quote(s string) string {
	s = CleanValue(s)
	if !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(s) + `"`
}

// lower is strings.ToLower for ASCII alone: no other character may become a
// letter of a keyword, as the Kelvin sign would.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; c >= 'A' && c <= 'Z' {
					b[i] = c | 0x20
				}
			}
			return string(b)
		}
	}
	return s
}
