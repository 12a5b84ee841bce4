package message

import (
	"io"
	"strings"

	"golang.org/x/text/encoding"
)

// EntityKind tells what an Entity has inside.
type EntityKind uint8

// The kinds.
const (
	EntityLeaf      EntityKind = iota // octets
	EntityMultipart                   // parts
	EntityMessage                     // one message
)

// Entity is a message or a part of one where it lies in the octets, as IMAP
// describes it (RFC 9051 sections 2.3.5, 6.4.5.1): nothing is taken out of
// encodings or of text, and every entity is there, empty ones too.
type Entity struct {
	Kind    EntityKind
	Header  *Header
	Content Content

	// Offsets in the message: the header with the empty line that ends it is
	// [HeaderAt, BodyAt), the body [BodyAt, End). End, Lines and Decoded are
	// known when the entity ends.
	HeaderAt, BodyAt, End int64
	Lines                 int64 // line ends in the body
	Decoded               int64 // octets of a leaf's body decoded
}

// Content is what the Content- fields of an entity say, in the plain reading.
type Content struct {
	Type     string // media type in lower case, text/plain where there is none or nonsense
	Stated   bool   // the header has a valid Content-Type
	Encoding string // transfer encoding as written, lower case; "" : none
	Filename string // decoded (RFC 2231, RFC 2047)

	Disposition string // lower case; "" : none
	ct, cd      contentValue
	kind        encodingKind
	boundary    string
}

// Params calls f with each parameter of Content-Type, as it came but for the
// pieces of RFC 2231 section 3 being joined: those in the extended form keep
// charset and escapes, and have a name that ends in an asterisk.
func (c *Content) Params(f func(name, value string)) { c.ct.each(f) }

// DispositionParams does the same for Content-Disposition.
func (c *Content) DispositionParams(f func(name, value string)) { c.cd.each(f) }

// Param returns a parameter of Content-Type, decoded (RFC 2231).
func (c *Content) Param(name string) string {
	v, _ := c.ct.get(name, Plain)
	return v
}

// StructureVisitor is told of the entities of a message.
type StructureVisitor interface {
	// Begin begins an entity: the message first, those in it before its End.
	// A leaf's decoded octets are written to the result; nil: not wanted. A
	// Write's error ends the walk. The entity is valid until its End returns.
	Begin(e *Entity) io.Writer
	// End ends the entity that began last and has not ended.
	End(e *Entity)
}

// WalkStructure reads a whole message in one pass and returns its size. What
// is beyond the limits is octets of the entity at the limit, a leaf of
// application/octet-stream; of header blocks what is above HeaderBytes is not
// seen. Memory does not depend on the size of the message.
func WalkStructure(r io.Reader, limits WalkLimits, v StructureVisitor) (size int64, err error) {
	l := limits.withDefaults()
	w := &structureWalk{s: newSource(r, l.Buffer, false), v: v, limits: l}
	defer w.s.release()
	w.s.counting = true
	raw, end, _ := w.s.header(make([]byte, 0, headerRoom), l.HeaderBytes, wholeHeader)
	e := Entity{Header: parseStructureHeader(raw), BodyAt: w.s.at()}
	w.entity(&e, "text/plain", 0, end == atDelimiter)
	for w.err == nil && w.s.next() != nil { // after the limits
	}
	if w.err == nil {
		w.err = w.s.err
	}
	return w.s.at(), w.err
}

const (
	headerRoom = 2048 // octets that a header block begins with
	// wholeHeader is no reading: the header goes on to its empty line,
	// whatever its first line is, as it does in ParseHeader.
	wholeHeader ReadingName = "whole"
)

// parseStructureHeader parses a block that has its bounds already.
func parseStructureHeader(raw []byte) *Header {
	h, _ := ParseHeader(raw, HeaderLimits{Bytes: len(raw) + 1, Field: len(raw) + 1})
	return h
}

type structureWalk struct {
	s      *source
	v      StructureVisitor
	limits WalkLimits
	dec    decoder
	parts  int
	err    error // of a Write
}

// entity walks over the body of e; empty: its header was the end of it.
func (w *structureWalk) entity(e *Entity, def string, depth int, empty bool) {
	e.Content = readContent(e.Header, def)
	w.parts++
	e.Kind = w.kind(&e.Content, depth, empty)
	lines := w.s.lines
	if empty {
		e.BodyAt = max(w.s.endAt, e.HeaderAt)
	}
	out := w.v.Begin(e)
	switch {
	case empty:
		w.nothing(e)
	case e.Kind == EntityMultipart:
		w.multipart(e, depth)
	case e.Kind == EntityMessage:
		w.message(depth)
	default:
		w.leaf(e, out)
	}
	e.End, e.Lines = max(w.s.endAt, e.BodyAt), max(w.s.endLines-lines, 0)
	w.v.End(e)
}

// kind decides what to look for in an entity, and makes a leaf of what is
// beyond the limits.
func (w *structureWalk) kind(c *Content, depth int, empty bool) EntityKind {
	multipart := strings.HasPrefix(c.Type, "multipart/")
	kind := EntityLeaf
	switch {
	case multipart && c.boundary == "":
		c.Type, c.Stated, c.ct.params = "text/plain", false, nil // which is what clients show then
	case multipart:
		kind = EntityMultipart
	case c.Type == "message/rfc822" || c.Type == "message/global":
		kind = EntityMessage
	}
	last := w.parts >= w.limits.Parts && !empty
	if kind != EntityLeaf && (depth >= w.limits.Depth || last) {
		kind, c.Type, c.Stated, c.ct.params = EntityLeaf, "application/octet-stream", true, nil
	}
	if last {
		w.s.delims = w.s.delims[:0] // it has all the rest
	}
	return kind
}

// nothing is an entity whose header was not ended: a message in it is empty.
func (w *structureWalk) nothing(e *Entity) {
	if e.Kind == EntityMessage {
		in := Entity{Header: &Header{}, HeaderAt: e.BodyAt, BodyAt: e.BodyAt, End: e.BodyAt}
		in.Content = readContent(in.Header, "text/plain")
		w.parts++
		w.v.Begin(&in)
		w.v.End(&in)
	}
}

// message walks over a message within a message.
func (w *structureWalk) message(depth int) {
	w.part(w.s.at(), "text/plain", depth+1, wholeHeader)
}

// part reads the header and walks over the body of what begins at an offset.
func (w *structureWalk) part(at int64, def string, depth int, r ReadingName) {
	raw, end, _ := w.s.header(nil, min(w.limits.HeaderBytes, DefaultPartHeaderBytes), r)
	e := Entity{Header: parseStructureHeader(raw), HeaderAt: at, BodyAt: w.s.at()}
	w.entity(&e, def, depth, end == atDelimiter)
}

// multipart walks over the parts, up to the closing delimiter and what
// follows it.
func (w *structureWalk) multipart(e *Entity, depth int) {
	s := w.s
	b := []byte(e.Content.boundary)
	level := len(s.delims)
	s.delims = append(s.delims, delimiter{boundary: b[:min(len(b), maxBoundary)]})
	w.skip()
	def := "text/plain"
	if e.Content.Type == "multipart/digest" {
		def = "message/rfc822" // RFC 2046 section 5.1.5
	}
	for s.hit.level == level && w.err == nil {
		if len(s.delims) <= level || w.parts >= w.limits.Parts {
			s.delims = s.delims[:0]
			w.skip()
			return
		}
		if s.hit.closing {
			s.delims[level].closed = true
			w.skip()
			continue
		}
		w.part(s.at(), def, depth+1, Plain)
	}
	s.delims = s.delims[:level]
}

// skip passes over content that is of no part.
func (w *structureWalk) skip() {
	for w.s.next() != nil {
	}
}

// leaf hands over the decoded content.
func (w *structureWalk) leaf(e *Entity, out io.Writer) {
	if out == nil && w.limits.NoSizes {
		w.skip()
		return
	}
	w.dec.reset(e.Content.kind, Plain)
	for p := w.s.next(); p != nil; p = w.s.next() {
		w.put(e, out, w.dec.decode(p))
	}
	w.put(e, out, w.dec.finish())
}

func (w *structureWalk) put(e *Entity, out io.Writer, b []byte) {
	e.Decoded += int64(len(b))
	if out != nil && len(b) > 0 && w.err == nil {
		if _, w.err = out.Write(b); w.err != nil {
			w.s.stop()
		}
	}
}

// readContent reads the Content- fields in the plain reading.
func readContent(h *Header, def string) Content {
	m := meta{mediaType: def}
	var c Content
	if v, ok := pick(h, "Content-Type", Plain, &m); ok {
		c.ct = parseContent(v)
		m.setType(&c.ct, Plain)
	}
	if v, ok := pick(h, "Content-Disposition", Plain, &m); ok {
		c.cd = parseContent(v)
		c.Disposition = c.cd.value
	}
	if v, ok := pick(h, "Content-Transfer-Encoding", Plain, &m); ok {
		m.setEncoding(v, Plain)
	}
	if !m.hasType {
		c.ct.params = nil
	}
	c.Type, c.Stated, c.Encoding = m.mediaType, m.hasType, m.encoding
	c.kind, c.boundary = m.kind, m.boundary
	if len(c.ct.params)+len(c.cd.params) > 0 {
		c.Filename = filename(&c.ct, &c.cd, Plain)
	}
	return c
}

// each calls f with the parameters in order of appearance, the pieces of one
// at the place of the first.
func (c *contentValue) each(f func(name, value string)) {
	for i := range c.params {
		p := &c.params[i]
		base, rest, star := strings.Cut(p.name, "*")
		if !star || rest == "" {
			v := p.value
			if p.loose != "" && strings.HasSuffix(p.name, "name") {
				v = p.loose
			}
			f(p.name, v[:min(len(v), maxParamSize)])
			continue
		}
		if base == "" || c.pieceBefore(base, i) {
			continue
		}
		name, value := c.pieces(base)
		f(name, value)
	}
}

// pieceBefore tells whether a piece of the parameter came before the i-th.
func (c *contentValue) pieceBefore(base string, i int) bool {
	for k := range i {
		b, rest, star := strings.Cut(c.params[k].name, "*")
		if star && rest != "" && b == base {
			return true
		}
	}
	return false
}

// pieces joins name*0, name*1* and so on without decoding; what of it is not
// in the extended form is escaped where any is.
func (c *contentValue) pieces(base string) (name, value string) {
	var list [maxParams]*param
	var encoded [maxParams]bool
	n, any := 0, false
	for i := range c.params {
		b, rest, star := strings.Cut(c.params[i].name, "*")
		if !star || rest == "" || b != base {
			continue
		}
		num, enc := strings.CutSuffix(rest, "*")
		k, ok := pieceNumber(num)
		if !ok || list[k] != nil {
			continue
		}
		list[k], encoded[k], any = &c.params[i], enc, any || enc
		n = max(n, k+1)
	}
	var v strings.Builder
	for k := 0; k < n && list[k] != nil && v.Len() < maxParamSize; k++ {
		if any && !encoded[k] {
			escapePercent(&v, list[k].value)
		} else {
			v.WriteString(list[k].value)
		}
	}
	value = v.String()
	if any {
		base += "*"
	}
	return base, value[:min(len(value), maxParamSize)]
}

func pieceNumber(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || n > maxParams {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s != "" && n < maxParams
}

// escapePercent writes a value in the extended form (RFC 2231 section 4).
func escapePercent(v *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`*'%`+tspecials, c) >= 0 {
			v.WriteByte('%')
			v.WriteByte(hex[c>>4])
			c = hex[c&15]
		}
		v.WriteByte(c)
	}
}

// NewDecoder returns the octets of r without a transfer encoding, as the
// walks decode it; false: the encoding is not known (RFC 3516 section 4.3).
func NewDecoder(r io.Reader, encoding string) (io.Reader, bool) {
	encoding = lower(encoding)
	kind := kindOf(encoding)
	if kind == identity {
		return r, plainEncoding(encoding)
	}
	d := &decodedReader{s: newSource(r, defaultWalkBuffer, false)}
	d.dec.reset(kind, Plain)
	return d, true
}

// KnownEncoding tells whether NewDecoder decodes the encoding.
func KnownEncoding(encoding string) bool {
	encoding = lower(encoding)
	return kindOf(encoding) != identity || plainEncoding(encoding)
}

// DecodeCharset returns b as UTF-8; what is of an unknown charset is taken
// for UTF-8 or else Windows-1252, as clients do.
func DecodeCharset(charset string, b []byte) string { return decodeCharset(charset, b) }

// LookupCharset returns the decoder of a charset; nil for UTF-8, ASCII and
// what is not known.
func LookupCharset(name string) encoding.Encoding { return lookupCharset(name) }
