package message

import (
	"bytes"
	"fmt"
	"strings"
)

// Bounds of a header block while HeaderLimits does not say otherwise.
const (
	DefaultHeaderBytes  = 512 << 10 // the whole block
	DefaultFieldBytes   = 256 << 10 // one field with its folds
	DefaultHeaderFields = 2000      // fields of a block
)

// HeaderLimits bounds a header block; zero means the Default of that name.
type HeaderLimits struct {
	Bytes  int // octets of the block
	Field  int // octets of one field, its folds included
	Fields int // number of fields
}

func (l HeaderLimits) withDefaults() HeaderLimits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultHeaderBytes
	}
	if l.Field <= 0 {
		l.Field = DefaultFieldBytes
	}
	if l.Fields <= 0 {
		l.Fields = DefaultHeaderFields
	}
	return l
}

// LimitError says which bound some input is above. What is one of "header
// bytes", "field bytes", "header fields" and, in other parsers, a noun like
// these.
type LimitError struct {
	What string
	Max  int64
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("message: more than %d %s", e.Max, e.What)
}

// Field is one header field as it came.
type Field struct {
	Name string // as written, without the colon or white space before it; "" : malformed, no field name
	Raw  []byte // the whole field with its folds and final CRLF
	body int    // where the body begins in Raw
}

// Body returns the raw bytes after the colon, folds and final CRLF included;
// all of a malformed field.
func (f Field) Body() []byte { return f.Raw[f.body:] }

// Is tells whether the field has the name, in whatever case.
func (f Field) Is(name string) bool { return equalFold(f.Name, name) }

// Value returns the body unfolded (RFC 5322 section 2.2.3), without white
// space at either end. Bytes above 127 are as they came.
func (f Field) Value() string {
	b := bytes.Trim(f.Body(), " \t\r\n")
	if bytes.IndexByte(b, '\n') < 0 {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.Write(b)
			break
		}
		s.Write(bytes.TrimSuffix(b[:i], []byte("\r")))
		b = b[i+1:]
	}
	return s.String()
}

// Header is an index over the raw bytes of a header block (RFC 5322 section
// 2.2), which stay as they came. It is not changed after ParseHeader, so many
// goroutines may read it.
type Header struct {
	raw     []byte
	fields  []Field
	defects []Defect
}

// Raw returns the header block without the empty line that ends it.
func (h *Header) Raw() []byte { return h.raw }

// Fields returns the fields in order of appearance, the topmost first, lines
// that are no fields among them (Name is "").
func (h *Header) Fields() []Field { return h.fields }

// Defects returns what is wrong with the block, a few of each kind.
func (h *Header) Defects() []Defect { return h.defects }

// Get returns the value of the topmost field of the name.
func (h *Header) Get(name string) (string, bool) {
	for i := range h.fields {
		if h.fields[i].Is(name) {
			return h.fields[i].Value(), true
		}
	}
	return "", false
}

// All returns the fields of the name, the topmost first.
func (h *Header) All(name string) []Field {
	n := h.Count(name)
	if n == 0 {
		return nil
	}
	all := make([]Field, 0, n)
	for _, f := range h.fields {
		if f.Is(name) {
			all = append(all, f)
		}
	}
	return all
}

// Count returns how many fields have the name.
func (h *Header) Count(name string) int {
	n := 0
	for i := range h.fields {
		if h.fields[i].Is(name) {
			n++
		}
	}
	return n
}

// equalFold compares field names: ASCII case only, where strings.EqualFold
// would also take the Kelvin sign for a k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := a[i], b[i]; x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

// ParseHeader indexes a header block: up to its first empty line, or all of
// raw. Lines may end in CRLF or LF. What is no field (no colon, or a name
// with characters that no name has) is kept as a field without a name, since
// real mail has such lines. The header refers to raw, which must not change.
//
// The error is a *LimitError; the header then holds what was within bounds.
func ParseHeader(raw []byte, limits HeaderLimits) (*Header, error) {
	limits = limits.withDefaults()
	h := &Header{raw: raw}
	if len(raw) > limits.Bytes {
		if end, _, ok := EndOfHeader(raw[:min(len(raw), limits.Bytes+2)], 0); !ok || end > limits.Bytes {
			h.raw = raw[:0]
			return h, &LimitError{"header bytes", int64(limits.Bytes)}
		}
	}
	h.fields = make([]Field, 0, min(limits.Fields, 8+len(raw)/64))
	names := make([]byte, 0, 1024)
	var err error
	pos := 0
	for pos < len(raw) && !emptyLine(raw[pos:]) {
		end := fieldEnd(raw, pos)
		if end-pos > limits.Field {
			err = &LimitError{"field bytes", int64(limits.Field)}
			break
		}
		if len(h.fields) == limits.Fields {
			err = &LimitError{"header fields", int64(limits.Fields)}
			break
		}
		names = h.add(raw[pos:end:end], names)
		pos = end
	}
	h.raw = raw[:pos:pos]
	h.name(string(names))
	return h, err
}

// add appends one field, its name to names: one string holds them all.
func (h *Header) add(raw, names []byte) []byte {
	f := Field{Raw: raw}
	if n, body, ok := fieldName(raw); ok {
		f.body = body
		names = append(names, raw[:n]...)
		if body != n+1 {
			h.defect(DefectSpaceBeforeColon, names[len(names)-n:])
		}
	} else {
		h.defect(DefectNoField, raw)
	}
	h.inspect(raw)
	h.fields = append(h.fields, f)
	return names
}

// name gives every field its part of names.
func (h *Header) name(names string) {
	for i := range h.fields {
		f := &h.fields[i]
		if f.body == 0 {
			continue
		}
		n := f.body - 1
		for n > 0 && isWSP(f.Raw[n-1]) {
			n--
		}
		f.Name, names = names[:n], names[n:]
	}
}

// fieldName finds the name that raw begins with, and where the body begins.
// White space before the colon is obsolete syntax (RFC 5322 section 4.5).
func fieldName(raw []byte) (name, body int, ok bool) {
	for name < len(raw) && raw[name] > ' ' && raw[name] < 0x7f && raw[name] != ':' {
		name++
	}
	body = name
	for body < len(raw) && isWSP(raw[body]) {
		body++
	}
	return name, body + 1, name > 0 && body < len(raw) && raw[body] == ':'
}

// fieldEnd returns the end of the field that begins at pos: past the first
// line end that no white space follows.
func fieldEnd(raw []byte, pos int) int {
	for {
		i := bytes.IndexByte(raw[pos:], '\n')
		if i < 0 {
			return len(raw)
		}
		if pos += i + 1; pos == len(raw) || !isWSP(raw[pos]) {
			return pos
		}
	}
}

// inspect notes what lets readers disagree about a field.
func (h *Header) inspect(raw []byte) {
	if bytes.IndexByte(raw, 0) >= 0 {
		h.defect(DefectNUL, raw)
	}
	for rest := raw; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		line := rest
		if i >= 0 {
			line = rest[:i]
			if i == 0 || line[i-1] != '\r' {
				h.defect(DefectBareLF, raw)
			} else {
				line = line[:i-1]
			}
			rest = rest[i+1:]
		} else {
			rest = nil
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			h.defect(DefectBareCR, raw)
		}
		if len(line) > 0 && isWSP(line[0]) && len(bytes.Trim(line, " \t")) == 0 {
			h.defect(DefectBlankFold, raw)
		}
	}
}

func isWSP(c byte) bool { return c == ' ' || c == '\t' }

// emptyLine tells whether b begins with an empty line.
func emptyLine(b []byte) bool {
	return b[0] == '\n' || b[0] == '\r' && len(b) > 1 && b[1] == '\n'
}

// EndOfHeader looks for the empty line that ends a header block in bytes that
// are still arriving: buf begins with the message, and buf[:from] was looked
// at before. With ok, buf[:header] is the block and the body begins at body.
// A message without an empty line is all header block.
func EndOfHeader(buf []byte, from int) (header, body int, ok bool) {
	pos := 0
	if from > 2 {
		// The line that from lies in may be empty so far.
		pos = from - 1
		if buf[pos] == '\r' {
			pos--
		}
		if buf[pos] != '\n' {
			pos = from
		}
	}
	if pos == 0 && len(buf) > 0 && emptyLine(buf) {
		return 0, lineBreak(buf), true
	}
	for {
		i := bytes.IndexByte(buf[pos:], '\n')
		if i < 0 {
			return 0, 0, false
		}
		if pos += i + 1; pos < len(buf) && emptyLine(buf[pos:]) {
			return pos, pos + lineBreak(buf[pos:]), true
		}
	}
}

// lineBreak returns the length of the line break that b begins with.
func lineBreak(b []byte) int {
	if b[0] == '\r' {
		return 2
	}
	return 1
}

// Split cuts a whole message into its header block and its body; without an
// empty line all of it is header.
func Split(msg []byte) (header, body []byte) {
	h, b, ok := EndOfHeader(msg, 0)
	if !ok {
		return msg, nil
	}
	return msg[:h:h], msg[b:]
}
