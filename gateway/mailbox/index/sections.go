package index

import (
	"encoding/binary"
	"io"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Section is a kind of octets that BODY[...] names (RFC 9051 section 6.4.5.1).
type Section uint8

// The sections. Of the message itself, whose path is empty, All is the whole
// message, and MIME does not exist.
const (
	All    Section = iota // BODY[], BODY[1.2]
	Header                // BODY[HEADER], BODY[3.HEADER]: of a message, with the empty line
	Text                  // BODY[TEXT], BODY[3.TEXT]: of a message, after its header
	MIME                  // BODY[3.MIME]: the header of a part, with the empty line
)

// Range is where octets lie in the message.
type Range struct {
	Offset, Length int64
}

// Part returns the part of the range that partial fetches name: <offset.length>.
// What is beyond the end is left out.
func (r Range) Part(offset, length int64) Range {
	offset = min(max(offset, 0), r.Length)
	return Range{r.Offset + offset, min(max(length, 0), r.Length-offset)}
}

// Encoding is a content transfer encoding (RFC 2045 section 6).
type Encoding uint8

// The encodings. Their values are on disk.
const (
	EncodingNone Encoding = iota // 7bit, 8bit and binary
	EncodingBase64
	EncodingQuotedPrintable
	EncodingUU
	EncodingUnknown // BINARY cannot be answered: UNKNOWN-CTE (RFC 3516 section 4.3)
)

var encodingNames = [...]string{"", "base64", "quoted-printable", "x-uuencode"}

// Part is what BODY[n.m] and BINARY[n.m] name.
type Part struct {
	Range              // its body
	MIME      Range    // its header; of the message itself that of the message
	Container bool     // a multipart or a message
	Encoding  Encoding // how the body is encoded
	Decoded   int64    // octets of the body decoded: BINARY.SIZE; not of EncodingUnknown
}

// Decode returns the octets that BINARY sends, from those of p.Range; false:
// the encoding is not known.
func (p Part) Decode(body io.Reader) (io.Reader, bool) {
	switch p.Encoding {
	case EncodingNone:
		return body, true
	case EncodingBase64, EncodingQuotedPrintable, EncodingUU:
		return message.NewDecoder(body, encodingNames[p.Encoding])
	}
	return nil, false
}

// Section finds the octets of a section; path is the part's numbers, empty
// for the message itself. False: the message has no such section.
func (r Record) Section(path []uint32, s Section) (Range, bool) {
	if len(path) == 0 {
		size, header := r.Size(), r.HeaderSize()
		switch s {
		case All:
			return Range{0, size}, true
		case Header:
			return Range{0, header}, true
		case Text:
			return Range{header, size - header}, true
		}
		return Range{}, false
	}
	e, inner, ok := r.find(path)
	switch {
	case !ok:
		return Range{}, false
	case s == All:
		return e.Range, true
	case s == MIME:
		return e.MIME, true
	case inner == nil:
		return Range{}, false
	case s == Header:
		return inner.MIME, true
	}
	return inner.Range, true
}

// Part finds a part by its numbers; those of the message itself are none.
func (r Record) Part(path []uint32) (Part, bool) {
	if len(path) == 0 {
		size, header := r.Size(), r.HeaderSize()
		return Part{Range: Range{0, size}, MIME: Range{0, header}, Container: true, Decoded: size}, true
	}
	e, _, ok := r.find(path)
	return e.Part, ok
}

// entity is one of the sections field.
type entity struct {
	Part
	kind  message.EntityKind
	parts uint64
}

// sectionReader reads entities in their order.
type sectionReader struct {
	reader
	body int64 // begin of the last one's body
}

func (s *sectionReader) next() (e entity) {
	c := s.octet()
	e.kind, e.Encoding = message.EntityKind(c&3), Encoding(c>>2&7)
	e.MIME.Offset = s.body + s.signed()
	e.MIME.Length = int64(s.number())
	e.Offset = e.MIME.Offset + e.MIME.Length
	e.Length = int64(s.number())
	e.Container = e.kind != message.EntityLeaf
	e.Decoded = e.Length
	switch e.kind {
	case message.EntityLeaf:
		e.Decoded = int64(s.number())
	case message.EntityMultipart:
		e.parts = s.number()
		e.Encoding = EncodingNone
	default:
		e.Encoding = EncodingNone
	}
	s.body = e.Offset
	return e
}

// skip passes over what is in e.
func (s *sectionReader) skip(e entity) {
	for left := inside(e); left > 0 && !s.bad; left-- {
		left += inside(s.next())
	}
}

// inside is how many entities come directly below e.
func inside(e entity) uint64 {
	if e.kind == message.EntityMessage {
		return 1
	}
	return e.parts
}

// find finds a part; inner is the message in it.
func (r Record) find(path []uint32) (e entity, inner *entity, ok bool) {
	s := sectionReader{reader: reader{b: r.field(fieldSections)}}
	e = s.next()
	body := true // e is what a message has, not a part of it
	for _, n := range path {
		if !body && e.kind == message.EntityMessage {
			e, body = s.next(), true
		}
		switch {
		case e.kind == message.EntityMultipart:
			if n == 0 || uint64(n) > e.parts {
				return entity{}, nil, false
			}
			for ; n > 1; n-- {
				s.skip(s.next())
			}
			e, body = s.next(), false
		case body && n == 1:
			body = false
		default:
			return entity{}, nil, false
		}
	}
	if e.kind == message.EntityMessage {
		in := s.next()
		inner = &in
	}
	return e, inner, !s.bad
}

func appendEntity(dst []byte, e *entity, body int64) []byte {
	dst = append(dst, byte(e.kind)|byte(e.Encoding)<<2)
	dst = binary.AppendVarint(dst, e.MIME.Offset-body)
	dst = binary.AppendUvarint(dst, uint64(e.MIME.Length))
	dst = binary.AppendUvarint(dst, uint64(e.Length))
	switch e.kind {
	case message.EntityLeaf:
		dst = binary.AppendUvarint(dst, uint64(e.Decoded))
	case message.EntityMultipart:
		dst = binary.AppendUvarint(dst, e.parts)
	}
	return dst
}
