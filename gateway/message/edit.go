package message

import (
	"bytes"
	"strings"
)

// Edit changes a header block: fields are removed, replaced or put on top,
// all others stay as they came, byte for byte. It is not for use by several
// goroutines.
type Edit struct {
	h       *Header
	changed []change // as long as fields once something changed
	top     [][]byte // in order
}

// change is what becomes of a field: the zero value keeps it.
type change struct {
	drop bool
	with []byte
}

// Edit begins a change of the header block; h stays as it is.
func (h *Header) Edit() *Edit { return &Edit{h: h} }

func (e *Edit) change(i int, c change) {
	if e.changed == nil {
		e.changed = make([]change, len(e.h.fields))
	}
	e.changed[i] = c
}

func (e *Edit) dropped(i int) bool { return e.changed != nil && e.changed[i].drop }

// Prepend puts a whole field, final CRLF included, above all others and above
// those prepended before.
func (e *Edit) Prepend(field []byte) { e.top = append([][]byte{field}, e.top...) }

// Remove takes away every field of the name, those prepended not counted, and
// returns how many there were.
func (e *Edit) Remove(name string) int {
	return e.RemoveFunc(func(f Field) bool { return f.Is(name) })
}

// RemoveFunc takes away the fields that match and returns how many.
func (e *Edit) RemoveFunc(match func(Field) bool) int {
	n := 0
	for i, f := range e.h.fields {
		if !e.dropped(i) && match(f) {
			e.change(i, change{drop: true})
			n++
		}
	}
	return n
}

// RemoveAuthResults takes away the Authentication-Results fields that claim,
// or could be taken to claim, one of the authserv-ids (RFC 8601 section 5).
func (e *Edit) RemoveAuthResults(authservIDs ...string) int {
	return e.RemoveFunc(func(f Field) bool {
		return f.Is("Authentication-Results") && claimsAuthserv(f.Body(), authservIDs)
	})
}

// TagSubject puts tag before the text of every Subject that does not begin
// with it already (after any Re: and Fwd:), or adds a Subject of it. The text
// itself stays as it came. It tells whether something changed.
func (e *Edit) TagSubject(tag string) bool {
	tag = CleanValue(tag)
	if tag == "" {
		return false
	}
	found, done := false, false
	for i, f := range e.h.fields {
		if e.dropped(i) || !f.Is("Subject") {
			continue
		}
		found = true
		if !tagged(f.Value(), tag) {
			e.change(i, change{with: tagField(f, tag)})
			done = true
		}
	}
	if !found {
		e.top = append(e.top, AppendFolded(nil, "Subject: "+EncodeText(tag)))
		done = true
	}
	return done
}

// tagField returns the Subject f with the tag before its text.
func tagField(f Field, tag string) []byte {
	word := EncodeText(tag)
	body := bytes.TrimLeft(f.Body(), " \t")
	if word != tag && bytes.HasPrefix(body, []byte("=?")) {
		// White space between two encoded words is not shown (RFC 2047
		// section 6.2).
		word = EncodeText(tag + "\u00a0")
	}
	out := make([]byte, 0, len(f.Raw)+len(word)+16)
	out = append(out, f.Name...)
	out = append(out, ": "...)
	out = append(out, word...)
	if len(bytes.TrimRight(body, "\r\n")) > 0 {
		first, _, _ := bytes.Cut(body, []byte("\n"))
		if len(out)+1+len(first) > maxLine {
			out = append(out, "\r\n"...)
		}
		out = append(out, ' ')
	}
	out = append(out, body...)
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, "\r\n"...)
	}
	return out
}

// tagged tells whether the text of a Subject begins with the tag.
func tagged(subject, tag string) bool {
	s := DecodeText(subject)
	for range 8 {
		s = strings.TrimLeft(s, " \t")
		if strings.HasPrefix(s, tag) {
			return true
		}
		i := strings.IndexByte(s, ':')
		if i < 2 || i > 4 {
			return false
		}
		s = s[i+1:]
	}
	return false
}

// Blocks returns the new header block as slices to be written one after the
// other: without the empty line, mostly parts of the old block.
func (e *Edit) Blocks() [][]byte {
	out := append(make([][]byte, 0, len(e.top)+4), e.top...)
	if e.changed == nil {
		return append(out, e.h.raw)
	}
	raw, start, pos := e.h.raw, 0, 0
	for i, f := range e.h.fields {
		c := e.changed[i]
		if c.drop || c.with != nil {
			if pos > start {
				out = append(out, raw[start:pos])
			}
			if c.with != nil {
				out = append(out, c.with)
			}
			start = pos + len(f.Raw)
		}
		pos += len(f.Raw)
	}
	if start < len(raw) {
		out = append(out, raw[start:])
	}
	return out
}

// Size returns the octets of the new header block, without the empty line.
func (e *Edit) Size() int {
	n := 0
	for _, b := range e.Blocks() {
		n += len(b)
	}
	return n
}

// Bytes returns the new header block in one piece, without the empty line.
func (e *Edit) Bytes() []byte { return bytes.Join(e.Blocks(), nil) }
