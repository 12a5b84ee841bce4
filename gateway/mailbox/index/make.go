package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Bounds of a record, in octets but for the first two. What is above them is
// left out, and a flag says so.
const (
	MaxDepth        = 50        // multiparts and messages within each other
	MaxParts        = 2000      // entities of a message
	MaxHeader       = 512 << 10 // of a header that is looked at
	PreviewLength   = 200       // characters of PREVIEW
	MaxReferences   = 100       // identifiers: the first and the last of more
	maxMessageID    = 900
	maxEnvelope     = 256 << 10
	maxStructure    = 512 << 10
	maxString       = 4096     // of a string in ENVELOPE's addresses and BODYSTRUCTURE
	maxSearchText   = 32 << 10 // of Subject, From and so on
	maxSortKey      = 256
	maxParallelKept = 64 << 10 // buffers above this are not kept for the next message
)

// Make reads a whole message, header and body, and returns its record. It
// needs memory of some kilobytes, more only for headers and many parts. The
// error is that of reading.
func Make(r io.Reader) ([]byte, error) {
	m := makers.Get().(*maker)
	defer m.release()
	m.octets.r = r
	size, err := message.WalkStructure(&m.octets, message.WalkLimits{Depth: MaxDepth, Parts: MaxParts, HeaderBytes: MaxHeader}, m)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return m.record(size), nil
}

// makers are kept for the buffers that they have.
var makers = sync.Pool{New: func() any { return new(maker) }}

// maker makes one record at a time. It visits the entities of a message.
type maker struct {
	octets    octets
	flags     Flags
	entities  []entity
	open      []int // those that have not ended
	octetsAt  []int // where in structure the size of an open message goes
	fields    [fieldCount][]byte
	room      []byte // of all fields but the two that grow
	envelope  []byte
	structure []byte
	sections  []byte
	lines     int64
	date      date
	preview   preview

	innerEnvelope bool // the entity that begins next is a message's own
}

func (m *maker) release() {
	if cap(m.envelope)+cap(m.structure)+cap(m.room)+cap(m.sections) > maxParallelKept {
		return
	}
	*m = maker{
		entities: m.entities[:0], open: m.open[:0], octetsAt: m.octetsAt[:0],
		room: m.room[:0], envelope: m.envelope[:0], structure: m.structure[:0], sections: m.sections[:0],
		preview: preview{plain: m.preview.plain[:0], html: m.preview.html[:0]},
	}
	makers.Put(m)
}

// Begin implements message.StructureVisitor.
func (m *maker) Begin(e *message.Entity) io.Writer {
	root := len(m.entities) == 0
	if raw := e.Header.Raw(); !ascii(raw) {
		if m.flags&FlagHeader8Bit == 0 {
			m.flags |= FlagHeader8Bit | FlagHeaderUTF8
		}
		if !utf8.Valid(raw) {
			m.flags &^= FlagHeaderUTF8
		}
	}
	if root {
		m.header(e.Header)
	} else if p := &m.entities[m.open[len(m.open)-1]]; p.kind == message.EntityMultipart {
		p.parts++
	}
	m.open = append(m.open, len(m.entities))
	m.entities = append(m.entities, entity{kind: e.Kind, Part: Part{Encoding: encodingOf(e.Content.Encoding)}})
	m.envelopeInside(e.Header)
	m.beginStructure(e)
	if e.Kind != message.EntityLeaf {
		return nil
	}
	if attachment(e) {
		m.flags |= FlagAttachment
		return nil
	}
	return m.preview.part(e)
}

// End implements message.StructureVisitor.
func (m *maker) End(e *message.Entity) {
	i := m.open[len(m.open)-1]
	m.open = m.open[:len(m.open)-1]
	x := &m.entities[i]
	x.MIME = Range{e.HeaderAt, e.BodyAt - e.HeaderAt}
	x.Range = Range{e.BodyAt, e.End - e.BodyAt}
	x.Decoded = e.Decoded
	m.endStructure(e, x)
	m.preview.end()
	if i == 0 {
		m.lines = e.Lines
	}
}

// encodingOf returns what an encoding's name means for BINARY.
func encodingOf(name string) Encoding {
	switch {
	case name == "":
		return EncodingNone
	case name == "base64":
		return EncodingBase64
	case name == "quoted-printable":
		return EncodingQuotedPrintable
	case !message.KnownEncoding(name):
		return EncodingUnknown
	case strings.Contains(name, "uu"):
		return EncodingUU
	}
	return EncodingNone
}

// attachment tells whether clients show a leaf as a file: what says that it is
// one, and what is neither text nor shown within text.
func attachment(e *message.Entity) bool {
	c := &e.Content
	switch c.Disposition {
	case "attachment":
		return true
	case "inline":
		return false
	}
	switch {
	case strings.HasPrefix(c.Type, "text/"):
		return c.Filename != ""
	case strings.HasSuffix(c.Type, "-signature"), c.Type == "message/delivery-status", c.Type == "application/pgp-encrypted":
		return false
	case strings.HasPrefix(c.Type, "image/") && e.Header.Count("Content-ID") > 0:
		return false
	}
	return true
}

// record puts the fields together.
func (m *maker) record(size int64) []byte {
	m.flags |= m.octets.flags(m.entities)
	if len(m.entities) >= MaxParts {
		m.flags |= FlagLimited
	}
	header := m.entities[0].MIME.Length
	n := make([]byte, 0, 32)
	n = binary.AppendUvarint(n, uint64(size))
	n = binary.AppendUvarint(n, uint64(header))
	n = binary.AppendUvarint(n, uint64(m.lines))
	if m.flags&FlagDate != 0 {
		n = binary.AppendVarint(n, m.date.at)
		n = binary.AppendVarint(n, m.date.zone)
	}
	m.fields[fieldNumbers] = n
	body := int64(0)
	for i := range m.entities {
		m.sections = appendEntity(m.sections, &m.entities[i], body)
		body = m.entities[i].Offset
	}
	m.fields[fieldEnvelope], m.fields[fieldStructure], m.fields[fieldSections] = m.envelope, m.structure, m.sections
	m.fields[fieldPreview] = m.preview.text()
	return m.assemble()
}

func (m *maker) assemble() []byte {
	last, total := 0, 0
	for i, f := range m.fields {
		if len(f) > 0 {
			last = i + 1
		}
		total += len(f)
	}
	out := make([]byte, 0, 1+2*binary.MaxVarintLen32+3*fieldCount+total)
	out = append(out, version)
	out = binary.AppendUvarint(out, uint64(m.flags))
	out = binary.AppendUvarint(out, uint64(last))
	for _, f := range m.fields[:last] {
		out = binary.AppendUvarint(out, uint64(len(f)))
	}
	for _, f := range m.fields[:last] {
		out = append(out, f...)
	}
	return out
}

// octets notes what a message's octets have while they pass by.
type octets struct {
	r                   io.Reader
	eight, null, bareLF bool
	cr                  bool // the last one was CR
}

// Read implements io.Reader.
func (o *octets) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	b := p[:n]
	o.eight = o.eight || !ascii(b)
	o.null = o.null || bytes.IndexByte(b, 0) >= 0
	if n > 0 && !o.bareLF {
		o.lines(b)
	}
	return n, err
}

// lines looks for an LF without CR.
func (o *octets) lines(b []byte) {
	for i := 0; ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			break
		}
		i += k
		if i > 0 && b[i-1] != '\r' || i == 0 && !o.cr {
			o.bareLF = true
			return
		}
		i++
	}
	o.cr = b[len(b)-1] == '\r'
}

func (o *octets) flags([]entity) (f Flags) {
	if o.eight {
		f |= Flag8Bit
	}
	if o.null {
		f |= FlagNUL
	}
	if o.bareLF {
		f |= FlagBareLF
	}
	return f
}

// ascii tells whether all octets are below 128.
func ascii(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
