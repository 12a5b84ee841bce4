package message

import (
	"bytes"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
)

// Walker walks over the MIME structure of one message (RFC 2045, 2046) in a
// single pass over its bytes for each reading, with memory that does not
// depend on the size of the message. It is for one goroutine at a time.
type Walker struct {
	header *Header
	limits WalkLimits
	seed   maphash.Seed
	seen   map[partKey]bool

	needed  map[ReadingName]bool
	encoded map[string]bool // multiparts with an encoding and no delimiter in the plain reading
	hidden  []PartInfo
	limited bool
	walkState
}

// walkState is that of one walk.
type walkState struct {
	v        Visitor
	reading  ReadingName
	dec      decoder
	parts    int
	defects  int // told, the first of each kind not counted
	told     map[DefectName]bool
	writeErr error
}

// NewWalker prepares to walk over the message of the header.
func NewWalker(h *Header, limits WalkLimits) *Walker {
	return &Walker{
		header: h, limits: limits.withDefaults(), seed: maphash.MakeSeed(),
		seen: map[partKey]bool{}, needed: map[ReadingName]bool{}, encoded: map[string]bool{},
	}
}

// Walk reads the body, the bytes after the header's empty line, in the plain
// reading. The error is that of reading or writing.
func (w *Walker) Walk(body io.Reader, v Visitor) error {
	return w.WalkReading(Plain, body, v)
}

// WalkReading reads the body once more in another reading, one of Readings.
// At PartEnd, Known tells which parts need not be looked at again.
func (w *Walker) WalkReading(r ReadingName, body io.Reader, v Visitor) error {
	w.walkState = walkState{v: v, reading: r, dec: decoder{out: w.dec.out, carry: w.dec.carry}}
	h, rest := w.header.reread(r)
	if len(rest) > 0 {
		body = io.MultiReader(bytes.NewReader(rest), body)
	}
	if r == Loose {
		body = &crReader{r: body}
	}
	s := newSource(body, w.limits.Buffer, r == Loose)
	defer s.release()
	w.headerDefects(h, "")
	w.entity(s, entity{header: h, number: "", def: "text/plain"})
	w.drain(s)
	if w.writeErr != nil {
		return w.writeErr
	}
	return s.err
}

// entity is a header whose body comes next.
type entity struct {
	header *Header
	number string // of the part; "" : the message's own
	def    string // media type where the header says none
	depth  int
}

// entity walks over one body, up to its end or the next delimiter.
func (w *Walker) entity(s *source, e entity) {
	m := w.meta(e)
	p := PartInfo{
		Path: e.number, Reading: w.reading, Type: m.mediaType, Params: m.params, Disposition: m.disposition,
		Filename: m.filename, Encoding: m.encoding, Header: e.header,
	}
	if w.parts++; w.parts > w.limits.Parts {
		if w.parts == w.limits.Parts+1 {
			w.defect(DefectPartLimit, e.number, "")
		}
		w.limited = true
		w.drain(s)
		return
	}
	if m.multipart() || m.message() {
		if e.depth < w.limits.Depth && w.container(s, e, &m, p) {
			return
		}
		if e.depth >= w.limits.Depth {
			w.limited = true
			w.defect(DefectDepthLimit, e.number, m.mediaType)
		}
	}
	if m.multipart() && m.boundary == "" {
		p.Type = "text/plain" // which is what clients show then
	}
	if p.Path == "" || strings.HasSuffix(p.Path, ".") {
		p.Path += "1"
	}
	w.leaf(s, &p, &m)
}

// container walks over a multipart or message; false when it can only be read
// as a leaf.
func (w *Walker) container(s *source, e entity, m *meta, p PartInfo) bool {
	if m.multipart() && m.boundary == "" && w.reading != Loose {
		return false
	}
	p.Container = true
	if p.Path == "" || strings.HasSuffix(p.Path, ".") {
		if p.Path += "0"; m.message() {
			p.Path = e.number + "1"
		}
	}
	w.v.Part(&p)
	inner, kind := s, m.kind
	var d *decodedReader
	if m.multipart() || w.reading == Strict {
		kind = identity
	}
	if w.reading == Loose && w.encoded[e.number] {
		kind = m.kind
	}
	if kind != identity {
		d = &decodedReader{s: s}
		d.dec.reset(kind, w.reading)
		inner = newSource(d, w.limits.Buffer, s.loose)
		defer inner.release()
	}
	if m.multipart() {
		w.multipart(inner, e, m, &p)
	} else {
		w.message(inner, e, p.Path)
	}
	if d != nil && !d.end {
		w.drain(s)
	}
	w.v.PartEnd(&p)
	return true
}

// message walks over a message within a message.
func (w *Walker) message(s *source, e entity, path string) {
	h, end := w.partHeader(s, path)
	if end == atDelimiter {
		return
	}
	w.entity(s, entity{header: h, number: path + ".", def: "text/plain", depth: e.depth + 1})
}

// multipart walks over the parts up to the closing delimiter and what follows
// it.
func (w *Walker) multipart(s *source, e entity, m *meta, p *PartInfo) {
	b := []byte(m.boundary)
	if m.boundary == "" {
		if b = guessBoundary(s); b == nil {
			w.preamble(s, e, p, true)
			return
		}
	}
	if len(b) > maxBoundary {
		b = b[:maxBoundary]
		w.defect(DefectLongBoundary, e.number, "")
	}
	level := len(s.delims)
	s.delims = append(s.delims, delimiter{boundary: b})
	w.preamble(s, e, p, false)
	def := "text/plain"
	if m.mediaType == "multipart/digest" {
		def = "message/rfc822"
	}
	prefix := e.number
	if prefix != "" && !strings.HasSuffix(prefix, ".") {
		prefix += "."
	}
	n := 0
	for s.hit.level == level {
		if s.hit.closing && (n > 0 || w.reading != Loose) {
			s.delims[level].closed = true
			w.around(s, p, true)
			continue
		}
		n++
		w.part(s, entity{number: prefix + strconv.Itoa(n), def: def, depth: e.depth + 1})
	}
	switch {
	case n == 0:
		w.defect(DefectNoParts, e.number, "")
		if m.kind != identity {
			w.defect(DefectEncodedMulti, e.number, m.encoding)
			if w.reading == Plain {
				w.encoded[e.number] = true
			}
		}
		w.need(Loose)
	case !s.delims[level].closed:
		w.defect(DefectNoClose, e.number, "")
	}
	s.delims = s.delims[:level]
	w.sourceDefects(s, e.number)
}

// part walks over one part of a multipart.
func (w *Walker) part(s *source, e entity) {
	if w.parts > w.limits.Parts {
		w.drain(s)
		return
	}
	h, end := w.partHeader(s, e.number)
	if end == atDelimiter {
		if len(h.fields) > 0 {
			w.empty(h, e)
		}
		return
	}
	e.header = h
	w.entity(s, e)
}

// empty tells of a part that has a header but no body.
func (w *Walker) empty(h *Header, e entity) {
	e.header = h
	w.entity(&source{eof: true}, e)
}

// partHeader reads the header block of a part.
func (w *Walker) partHeader(s *source, path string) (*Header, headerEnd) {
	raw, end, over := s.header(nil, w.limits.HeaderBytes, w.reading)
	h, err := ParseHeader(raw, HeaderLimits{})
	if over || err != nil {
		w.limited = true
		w.defect(DefectHeaderLimit, path, "")
	}
	if end == atText {
		w.defect(DefectNoHeaderEnd, path, "")
	}
	w.headerDefects(h, path)
	return h, end
}

// preamble passes over what comes before the first part; where there is none,
// a loose reader shows it as text.
func (w *Walker) preamble(s *source, e entity, p *PartInfo, only bool) {
	if !only && w.reading != Loose {
		w.around(s, p, false)
		return
	}
	first := s.next()
	if first == nil {
		return
	}
	path := e.number
	if path == "" || strings.HasSuffix(path, ".") {
		path += "0"
	}
	w.content(s, &PartInfo{Path: path + ".0", Reading: w.reading, Type: "text/plain", Header: e.header}, &meta{mediaType: "text/plain"}, first)
}

// leaf hands over the decoded content of a part.
func (w *Walker) leaf(s *source, p *PartInfo, m *meta) {
	switch p.Type {
	case "message/partial":
		w.defect(DefectPartial, p.Path, "")
	case "message/external-body":
		w.defect(DefectExternalBody, p.Path, "")
	}
	w.content(s, p, m, s.next())
}

// sink is a part whose decoded octets are being handed over.
type sink struct {
	w    *Walker
	p    *PartInfo
	m    *meta
	out  io.Writer
	hash maphash.Hash
}

func (w *Walker) begin(p *PartInfo, m *meta) *sink {
	s := &sink{w: w, p: p, m: m, out: w.v.Part(p)}
	s.hash.SetSeed(w.seed)
	return s
}

// put hands octets over, until the first error.
func (s *sink) put(b []byte) {
	if len(b) == 0 {
		return
	}
	s.p.Size += int64(len(b))
	s.hash.Write(b)
	if s.out != nil && s.w.writeErr == nil {
		_, s.w.writeErr = s.out.Write(b)
	}
}

func (s *sink) end() {
	s.p.sum = s.hash.Sum64()
	s.w.compare(s.p, s.m)
	s.w.v.PartEnd(s.p)
}

// content hands over the decoded content that begins with the piece.
func (w *Walker) content(s *source, p *PartInfo, m *meta, piece []byte) {
	w.dec.reset(m.kind, w.reading)
	out := w.begin(p, m)
	put, end := out.put, out.end
	if m.mediaType == "text/plain" && w.reading != Strict {
		uu := &uuText{w: w, of: p, m: m, bol: true, text: out}
		put, end = uu.write, uu.end
	}
	for ; piece != nil && w.writeErr == nil; piece = s.next() {
		put(w.dec.decode(piece))
	}
	if w.writeErr != nil {
		s.stop()
	}
	put(w.dec.finish())
	w.decodeDefects(p)
	end()
}

// around hands over what a multipart says beside its parts, where it is wanted.
func (w *Walker) around(s *source, p *PartInfo, after bool) {
	if v, ok := w.v.(AroundVisitor); ok && w.reading == Plain {
		if out := v.Around(p, after); out != nil {
			for b := s.next(); b != nil && w.writeErr == nil; b = s.next() {
				_, w.writeErr = out.Write(b)
			}
			if w.writeErr != nil {
				s.stop()
			}
			return
		}
	}
	w.drain(s)
}

// drain passes over content up to the next delimiter.
func (w *Walker) drain(s *source) {
	for s.next() != nil && w.writeErr == nil {
	}
	if w.writeErr != nil {
		s.stop()
	}
}

// decodedReader reads the content of a part decoded.
type decodedReader struct {
	s    *source
	dec  decoder
	rest []byte
	end  bool
}

// Read implements io.Reader.
func (d *decodedReader) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.end {
			return 0, io.EOF
		}
		if piece := d.s.next(); piece != nil {
			d.rest = d.dec.decode(piece)
		} else {
			d.rest, d.end = d.dec.finish(), true
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}
