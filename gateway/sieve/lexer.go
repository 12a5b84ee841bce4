package sieve

import (
	"bytes"
	"fmt"
	"strings"
)

// maxIdentifier is the length of a command's or tag's name.
const maxIdentifier = 32

// tokenKind is a kind of token (RFC 5228 section 8.1); those of one character
// are that character.
type tokenKind byte

const (
	tokEOF     tokenKind = 0
	tokIdent   tokenKind = 'i'
	tokTag     tokenKind = ':'
	tokNumber  tokenKind = 'n'
	tokString  tokenKind = '"'
	tokGarbage tokenKind = '?'
)

// String returns what the token is called in errors.
func (k tokenKind) String() string {
	switch k {
	case tokEOF:
		return "end of script"
	case tokIdent:
		return "identifier"
	case tokTag:
		return "tag"
	case tokNumber:
		return "number"
	case tokString:
		return "string"
	case tokGarbage:
		return "unknown characters"
	}
	return "'" + string(rune(k)) + "'"
}

// token is one token; text is the name of an identifier or tag in lower case,
// or a string without its quoting.
type token struct {
	kind tokenKind
	pos  Pos
	text string
	num  uint64
}

// lexer cuts a script into tokens (RFC 5228 section 8.1).
type lexer struct {
	src  []byte
	at   int
	line int
	bol  int // where the line begins
	fail func(Pos, string, string)
}

func (l *lexer) pos() Pos { return Pos{Line: l.line, Column: l.at - l.bol + 1} }

// newline counts the line end at l.at, an LF, and passes it.
func (l *lexer) newline() {
	l.at++
	l.line++
	l.bol = l.at
}

// space passes white space and comments.
func (l *lexer) space() {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.newline()
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '#':
			l.hash()
		case c == '/' && l.at+1 < len(l.src) && l.src[l.at+1] == '*':
			l.bracket()
		default:
			return
		}
	}
}

func (l *lexer) hash() {
	if i := bytes.IndexByte(l.src[l.at:], '\n'); i >= 0 {
		l.at += i
	} else {
		l.at = len(l.src)
	}
}

// bracket passes a comment that may have several lines.
func (l *lexer) bracket() {
	start := l.pos()
	end := bytes.Index(l.src[l.at+2:], []byte("*/"))
	if end < 0 {
		l.fail(start, "comment without end", "add */")
		l.at = len(l.src)
		return
	}
	end += l.at + 4
	for l.at < end {
		if l.src[l.at] == '\n' {
			l.newline()
		} else {
			l.at++
		}
	}
}

// next returns the next token.
func (l *lexer) next() token {
	l.space()
	t := token{pos: l.pos()}
	if l.at >= len(l.src) {
		return t
	}
	switch c := l.src[l.at]; {
	case strings.IndexByte("()[]{},;", c) >= 0:
		l.at++
		t.kind = tokenKind(c)
	case c == '"':
		l.quoted(&t)
	case c >= '0' && c <= '9':
		l.number(&t)
	case c == ':' && l.at+1 < len(l.src) && isNameStart(l.src[l.at+1]):
		l.at++
		t.kind = tokTag
		l.name(&t)
	case isNameStart(c):
		t.kind = tokIdent
		if l.name(&t); t.text == "text" && l.at < len(l.src) && l.src[l.at] == ':' {
			l.multiline(&t)
		}
	default:
		l.garbage(&t)
	}
	return t
}

func isNameStart(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isName(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' }

func (l *lexer) name(t *token) {
	start := l.at
	for l.at < len(l.src) && isName(l.src[l.at]) {
		l.at++
	}
	if l.at-start > maxIdentifier {
		l.fail(t.pos, fmt.Sprintf("identifier is longer than %d characters", maxIdentifier), "")
		t.text = "?"
		return
	}
	t.text = strings.ToLower(string(l.src[start:l.at]))
}

// number reads a number with its multiplier (RFC 5228 section 2.4.1).
func (l *lexer) number(t *token) {
	t.kind = tokNumber
	over := false
	for ; l.at < len(l.src) && l.src[l.at] >= '0' && l.src[l.at] <= '9'; l.at++ {
		d := uint64(l.src[l.at] - '0')
		if t.num > (1<<64-1-d)/10 {
			over = true
			continue
		}
		t.num = t.num*10 + d
	}
	if l.at < len(l.src) {
		shift := map[byte]uint{'k': 10, 'm': 20, 'g': 30}[l.src[l.at]|0x20]
		if shift > 0 {
			l.at++
			over = over || t.num > (1<<64-1)>>shift
			t.num <<= shift
		}
	}
	if over {
		l.fail(t.pos, "number is too large", "at most 18446744073709551615")
		t.num = 0
	}
}

// quoted reads a quoted string (RFC 5228 section 2.4.2).
func (l *lexer) quoted(t *token) {
	t.kind = tokString
	l.at++
	var b []byte
	nul := false
	for l.at < len(l.src) {
		switch c := l.src[l.at]; c {
		case '"':
			l.at++
			l.checkNUL(t, nul)
			t.text = string(b)
			return
		case '\\':
			if l.at+1 < len(l.src) && l.src[l.at+1] != '\n' && l.src[l.at+1] != '\r' {
				l.at++
			} else {
				l.at++
				continue
			}
			nul = nul || l.src[l.at] == 0
			b = append(b, l.src[l.at])
			l.at++
		case '\n':
			b = lineEnd(b)
			l.newline()
		default:
			nul = nul || c == 0
			b = append(b, c)
			l.at++
		}
	}
	l.fail(t.pos, "string without end", `add "`)
	t.text = string(b)
}

func (l *lexer) checkNUL(t *token, nul bool) {
	if nul {
		l.fail(t.pos, "string with a NUL", "")
	}
}

// lineEnd appends CRLF, whatever the script has.
func lineEnd(b []byte) []byte {
	return append(bytes.TrimSuffix(b, []byte("\r")), '\r', '\n')
}

// multiline reads what follows "text" (RFC 5228 section 2.4.2).
func (l *lexer) multiline(t *token) {
	t.kind, t.text = tokString, ""
	l.at++
	for l.at < len(l.src) && (l.src[l.at] == ' ' || l.src[l.at] == '\t' || l.src[l.at] == '\r') {
		l.at++
	}
	if l.at < len(l.src) && l.src[l.at] == '#' {
		l.hash()
	}
	if l.at >= len(l.src) || l.src[l.at] != '\n' {
		l.fail(l.pos(), "text: must be followed by a line end", "")
		l.hash()
	}
	if l.at < len(l.src) {
		l.newline()
	}
	var b []byte
	nul := false
	for l.at < len(l.src) {
		line, _, found := bytes.Cut(l.src[l.at:], []byte("\n"))
		size := len(line)
		line = bytes.TrimSuffix(line, []byte("\r"))
		if found {
			l.at += size
			l.newline()
		} else {
			l.at = len(l.src)
		}
		if len(line) == 1 && line[0] == '.' {
			l.checkNUL(t, nul)
			t.text = string(b)
			return
		}
		if len(line) > 1 && line[0] == '.' && line[1] == '.' {
			line = line[1:]
		}
		nul = nul || bytes.IndexByte(line, 0) >= 0
		b = append(append(b, line...), '\r', '\n')
	}
	l.fail(t.pos, "text without end", "add a line with . alone")
	t.text = string(b)
}

// garbage passes characters that begin no token.
func (l *lexer) garbage(t *token) {
	t.kind = tokGarbage
	l.fail(t.pos, fmt.Sprintf("unexpected characters, the first is %q", l.src[l.at]), "")
	c := l.src[l.at]
	for l.at++; l.at < len(l.src) && l.src[l.at] == c; {
		l.at++
	}
	for l.at < len(l.src) && l.src[l.at] >= 0x80 {
		l.at++
	}
}
