package imap

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrMore is what a Decoder says when the command ends in the head of a
// literal: its octets have to be read first.
var ErrMore = errors.New("imap: the octets of a literal are missing")

// SyntaxError tells what was expected where; the text may be shown to the
// client, in BAD.
type SyntaxError struct {
	At   int    // octets from the beginning of the command
	Want string // as "space", "a number"
}

// Error says it in words.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("expected %s at octet %d", e.Want, e.At)
}

// Refusal is an argument that is well formed and cannot be taken. Code is a
// response code, as BADCHARSET (US-ASCII UTF-8), or empty.
type Refusal struct {
	Code, Text string
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Decoder lexes one command. The zero Decoder is at the end of an empty one.
// It is sticky: after an error all methods return false. Methods that take a
// pointer set what it points to only when they return true.
type Decoder struct {
	b   []byte
	pos int
	err error

	// UTF8 says that mailbox names come in UTF-8: after ENABLE IMAP4rev2 or
	// UTF8=ACCEPT. Otherwise they are in modified UTF-7, and UTF-8 is
	// understood nevertheless.
	UTF8 bool
}

// Reset begins a command. cmd holds all of it, with the octets of literals
// after their line; without the last CRLF.
func (d *Decoder) Reset(cmd []byte) { d.b, d.pos, d.err = cmd, 0, nil }

// Err returns the first error: nil, a *SyntaxError, a *Refusal or ErrMore.
func (d *Decoder) Err() error { return d.err }

// Pos returns how many octets have been read.
func (d *Decoder) Pos() int { return d.pos }

// Rest returns what has not been read yet.
func (d *Decoder) Rest() []byte { return d.b[d.pos:] }

// Fail makes a syntax error here: want is what was expected.
func (d *Decoder) Fail(want string) bool {
	if d.err == nil {
		d.err = &SyntaxError{At: d.pos, Want: want}
	}
	return false
}

// Refuse ends the parsing with an error for NO.
func (d *Decoder) Refuse(code, text string) bool {
	if d.err == nil {
		d.err = &Refusal{Code: code, Text: text}
	}
	return false
}

// Peek returns the next octet, 0 at the end or after an error.
func (d *Decoder) Peek() byte {
	if d.err != nil || d.pos >= len(d.b) {
		return 0
	}
	return d.b[d.pos]
}

// AtEnd says that nothing is left.
func (d *Decoder) AtEnd() bool { return d.err == nil && d.pos >= len(d.b) }

// End expects the end of the command.
func (d *Decoder) End() bool {
	if d.err != nil {
		return false
	}
	if d.pos < len(d.b) {
		return d.Fail("the end of the command")
	}
	return true
}

// Take takes the octet c where it is the next.
func (d *Decoder) Take(c byte) bool {
	if d.err != nil || d.pos >= len(d.b) || d.b[d.pos] != c {
		return false
	}
	d.pos++
	return true
}

// Byte expects the octet c.
func (d *Decoder) Byte(c byte) bool {
	if d.Take(c) {
		return true
	}
	if c == ' ' {
		return d.Fail("a space")
	}
	return d.Fail("\"" + string(rune(c)) + "\"")
}

// SP expects one space.
func (d *Decoder) SP() bool { return d.Byte(' ') }

// word returns the run of octets of a class, and moves behind it.
func (d *Decoder) word(class uint8) []byte {
	start := d.pos
	for d.pos < len(d.b) && classes[d.b[d.pos]]&class != 0 {
		d.pos++
	}
	return d.b[start:d.pos]
}

// Atom expects an atom.
func (d *Decoder) Atom(out *[]byte) bool {
	if d.err != nil {
		return false
	}
	w := d.word(classAtom)
	if len(w) == 0 {
		return d.Fail("an atom")
	}
	*out = w
	return true
}

// TakeWord takes an atom that is word (upper case; any case matches).
func (d *Decoder) TakeWord(word string) bool {
	if d.err != nil {
		return false
	}
	end := d.pos + len(word)
	if end > len(d.b) || !equalFold(d.b[d.pos:end], word) || end < len(d.b) && is(d.b[end], classAtom) {
		return false
	}
	d.pos = end
	return true
}

// Word expects the atom word (upper case; any case matches).
func (d *Decoder) Word(word string) bool { return d.TakeWord(word) || d.Fail(word) }

// Tag expects a tag.
func (d *Decoder) Tag(out *[]byte) bool {
	if d.err != nil {
		return false
	}
	w := d.word(classTag)
	if len(w) == 0 {
		return d.Fail("a tag")
	}
	*out = w
	return true
}

// Number64 expects a number of at most 63 bits (RFC 9051 number64).
func (d *Decoder) Number64(out *uint64) bool {
	if d.err != nil {
		return false
	}
	var n uint64
	start := d.pos
	for d.pos < len(d.b) && isDigit(d.b[d.pos]) {
		n = n*10 + uint64(d.b[d.pos]-'0')
		if n > 1<<63-1 || d.pos-start > maxLiteralDigits {
			return d.Fail("a number below 2^63")
		}
		d.pos++
	}
	if d.pos == start {
		return d.Fail("a number")
	}
	*out = n
	return true
}

// Number expects a number of at most 32 bits.
func (d *Decoder) Number(out *uint32) bool {
	var n uint64
	start := d.pos
	if !d.Number64(&n) {
		return false
	}
	if n > 1<<32-1 {
		d.pos = start
		return d.Fail("a number below 2^32")
	}
	*out = uint32(n)
	return true
}

// NZNumber expects a number of at most 32 bits that is not 0.
func (d *Decoder) NZNumber(out *uint32) bool {
	start := d.pos
	var n uint32
	if !d.Number(&n) {
		return false
	}
	if n == 0 {
		d.pos = start
		return d.Fail("a number above 0")
	}
	*out = n
	return true
}

// String expects a quoted string or a literal.
func (d *Decoder) String(out *[]byte) bool {
	switch d.Peek() {
	case '"':
		return d.quoted(out)
	case '{':
		return d.literal(out, false)
	}
	return d.Fail("a string")
}

// String8 expects a quoted string, a literal or a literal8 (RFC 3516), which
// may hold NUL.
func (d *Decoder) String8(out *[]byte) bool {
	if d.Peek() == '~' {
		return d.literal(out, true)
	}
	return d.String(out)
}

// Astring expects an atom, in which "]" is allowed, or a string.
func (d *Decoder) Astring(out *[]byte) bool {
	if c := d.Peek(); c == '"' || c == '{' {
		return d.String(out)
	}
	if d.err != nil {
		return false
	}
	w := d.word(classAstring)
	if len(w) == 0 {
		return d.Fail("a string")
	}
	if !utf8.Valid(w) {
		return d.Fail("UTF-8")
	}
	*out = w
	return true
}

// NString expects a string or NIL; out is nil for that.
func (d *Decoder) NString(out *[]byte) bool {
	if d.TakeWord("NIL") {
		*out = nil
		return true
	}
	return d.String(out)
}

// quoted reads a quoted string (RFC 9051: UTF-8 is allowed within).
func (d *Decoder) quoted(out *[]byte) bool {
	start := d.pos + 1
	for i := start; i < len(d.b); i++ {
		switch c := d.b[i]; {
		case c == '"':
			d.pos = i + 1
			return d.text(d.b[start:i], out)
		case c == '\\':
			return d.escaped(start, i, out)
		case classes[c]&classText == 0:
			d.pos = i
			return d.Fail("quoted text")
		}
	}
	d.pos = len(d.b)
	return d.Fail("a closing quote")
}

// escaped reads on from i, where a quoted string that began at start has its
// first backslash.
func (d *Decoder) escaped(start, i int, out *[]byte) bool {
	text := bytes.Clone(d.b[start:i])
	for ; i < len(d.b); i++ {
		c := d.b[i]
		switch {
		case c == '"':
			d.pos = i + 1
			return d.text(text, out)
		case c == '\\':
			i++
			if i >= len(d.b) || d.b[i] != '"' && d.b[i] != '\\' {
				d.pos = i
				return d.Fail(`" or \ after \`)
			}
			c = d.b[i]
		case classes[c]&classText == 0:
			d.pos = i
			return d.Fail("quoted text")
		}
		text = append(text, c)
	}
	d.pos = len(d.b)
	return d.Fail("a closing quote")
}

func (d *Decoder) text(b []byte, out *[]byte) bool {
	if !utf8.Valid(b) {
		return d.Fail("UTF-8")
	}
	*out = b
	return true
}

// literal reads a literal with its octets.
func (d *Decoder) literal(out *[]byte, binary bool) bool {
	lit, n, ok := literalHead(d.b[d.pos:])
	if !ok || lit.Binary && !binary {
		return d.Fail("a literal")
	}
	if d.pos+n == len(d.b) {
		d.err = ErrMore
		return false
	}
	body := d.b[d.pos+n:]
	if len(body) < 2 || body[0] != '\r' || body[1] != '\n' || int64(len(body)-2) < lit.Size {
		return d.Fail("a literal and its octets")
	}
	b := body[2 : 2+lit.Size]
	if !lit.Binary && bytes.IndexByte(b, 0) >= 0 {
		return d.Fail("a literal without NUL")
	}
	d.pos += n + 2 + int(lit.Size)
	*out = b
	return true
}

// List expects "(", items separated by a space, and ")". item reads one. An
// empty list is read, too; who does not allow it counts.
func (d *Decoder) List(item func() bool) bool {
	if !d.Byte('(') {
		return false
	}
	if d.Take(')') {
		return true
	}
	for {
		if !item() {
			return d.Fail("a list item")
		}
		if d.Take(')') {
			return true
		}
		if !d.SP() {
			return false
		}
	}
}
