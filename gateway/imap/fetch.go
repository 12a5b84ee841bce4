package imap

// FetchAtt is what FETCH asks for, as bits, but for octets of the message.
type FetchAtt uint32

// The items of FETCH (RFC 9051 section 6.4.5, RFC 7162, RFC 8474, RFC 8514,
// RFC 8970).
const (
	FetchUID FetchAtt = 1 << iota
	FetchFlags
	FetchInternalDate
	FetchSize
	FetchEnvelope
	FetchBody // BODY: BODYSTRUCTURE without extension data
	FetchBodyStructure
	FetchModSeq
	FetchSaveDate
	FetchEmailID
	FetchThreadID
	FetchPreview
	FetchPreviewLazy // with FetchPreview: only where it costs nothing
)

var fetchNames = [...]string{
	"UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ", "SAVEDATE", "EMAILID", "THREADID", "PREVIEW",
}

// The macros (RFC 9051 section 6.4.5).
const (
	fetchFast = FetchFlags | FetchInternalDate | FetchSize
	fetchAll  = fetchFast | FetchEnvelope
	fetchFull = fetchAll | FetchBody
)

// SectionKind is which octets of a message or part a Section is.
type SectionKind uint8

// The kinds.
const (
	SectionAll             SectionKind = iota // BODY[], BODY[1.2], RFC822
	SectionHeader                             // HEADER, RFC822.HEADER
	SectionHeaderFields                       // HEADER.FIELDS
	SectionHeaderFieldsNot                    // HEADER.FIELDS.NOT
	SectionText                               // TEXT, RFC822.TEXT
	SectionMIME                               // MIME
	SectionBinary                             // BINARY[1.2]
	SectionBinarySize                         // BINARY.SIZE[1.2]
)

// Bounds of FETCH.
const (
	MaxSections     = 100 // octets of a message are asked for so often in one FETCH
	MaxPath         = 100 // levels of a part number
	MaxHeaderFields = 200 // names in one HEADER.FIELDS
)

// Section is a body section to fetch (RFC 9051 section 6.4.5.1, RFC 3516).
type Section struct {
	Kind    SectionKind
	Path    []uint32 // part number
	Fields  []string // of HEADER.FIELDS, as written
	Peek    bool     // \Seen is not set
	Legacy  bool     // asked for as RFC822, RFC822.HEADER or RFC822.TEXT
	Partial bool     // <Offset.Length> was given
	Offset  uint64
	Length  uint64
}

// Fetch is the FETCH command.
type Fetch struct {
	Set      NumSet
	Atts     FetchAtt
	Sections []Section
	// ChangedSince and Vanished are modifiers of RFC 7162; HasChangedSince
	// tells whether the first was given.
	ChangedSince    uint64
	HasChangedSince bool
	Vanished        bool
	Partial         Partial // RFC 9394; zero: not given
}

// Seen tells whether the command sets \Seen.
func (f *Fetch) Seen() bool {
	for i := range f.Sections {
		if s := &f.Sections[i]; !s.Peek && s.Kind != SectionBinarySize {
			return true
		}
	}
	return false
}

// Fetch expects what follows the command's name. It reuses the memory that out
// has.
func (d *Decoder) Fetch(uid bool, out *Fetch) bool {
	*out = Fetch{Set: out.Set, Sections: out.Sections[:0]}
	if !d.SP() || !d.NumSet(&out.Set) || !d.SP() {
		return false
	}
	switch {
	case d.TakeWord("ALL"):
		out.Atts = fetchAll
	case d.TakeWord("FAST"):
		out.Atts = fetchFast
	case d.TakeWord("FULL"):
		out.Atts = fetchFull
	case d.Take('('):
		if !d.fetchAtts(out) {
			return false
		}
	default:
		if !d.fetchAtt(out) {
			return false
		}
	}
	if d.Take(' ') && !d.fetchModifiers(uid, out) {
		return false
	}
	return d.End()
}

func (d *Decoder) fetchAtts(out *Fetch) bool {
	for {
		if !d.fetchAtt(out) {
			return false
		}
		if d.Take(')') {
			return true
		}
		if !d.SP() {
			return false
		}
	}
}

// fetchAtt expects one fetch-att.
func (d *Decoder) fetchAtt(out *Fetch) bool {
	if d.err != nil {
		return false
	}
	start := d.pos
	for d.pos < len(d.b) && d.b[d.pos] != '[' && is(d.b[d.pos], classAtom) {
		d.pos++
	}
	w := d.b[start:d.pos]
	if d.Peek() == '[' {
		return d.section(w, out)
	}
	for i, name := range fetchNames {
		if equalFold(w, name) {
			out.Atts |= 1 << i
			if 1<<i == FetchPreview {
				return d.previewModifiers(out)
			}
			return true
		}
	}
	s := Section{Legacy: true}
	switch {
	case equalFold(w, "RFC822"):
	case equalFold(w, "RFC822.HEADER"):
		s.Kind, s.Peek = SectionHeader, true
	case equalFold(w, "RFC822.TEXT"):
		s.Kind = SectionText
	default:
		d.pos = start
		return d.Fail("a FETCH item")
	}
	return d.addSection(s, out)
}

func (d *Decoder) addSection(s Section, out *Fetch) bool {
	if len(out.Sections) >= MaxSections {
		return d.Refuse("LIMIT", "too many body sections")
	}
	out.Sections = append(out.Sections, s)
	return true
}

// previewModifiers takes (LAZY) after PREVIEW (RFC 8970 section 3.1).
func (d *Decoder) previewModifiers(out *Fetch) bool {
	if d.pos+1 >= len(d.b) || d.b[d.pos] != ' ' || d.b[d.pos+1] != '(' {
		return true
	}
	// "FETCH 1 PREVIEW (CHANGEDSINCE 5)" has modifiers of FETCH here.
	start := d.pos
	d.pos += 2
	if !d.TakeWord("LAZY") {
		d.pos = start
		return true
	}
	out.Atts |= FetchPreviewLazy
	return d.Byte(')')
}

// section expects [...] and <...> after BODY, BODY.PEEK, BINARY and so on.
func (d *Decoder) section(w []byte, out *Fetch) bool {
	var s Section
	switch {
	case equalFold(w, "BODY"):
	case equalFold(w, "BODY.PEEK"):
		s.Peek = true
	case equalFold(w, "BINARY"):
		s.Kind = SectionBinary
	case equalFold(w, "BINARY.PEEK"):
		s.Kind, s.Peek = SectionBinary, true
	case equalFold(w, "BINARY.SIZE"):
		s.Kind, s.Peek = SectionBinarySize, true
	default:
		d.pos -= len(w)
		return d.Fail("a FETCH item")
	}
	d.pos++
	if !d.sectionSpec(&s) || !d.Byte(']') {
		return false
	}
	if s.Kind != SectionBinarySize && d.Take('<') {
		s.Partial = true
		if !d.Number64(&s.Offset) || !d.Byte('.') || !d.Number64(&s.Length) || !d.Byte('>') {
			return false
		}
		if s.Length == 0 {
			return d.Fail("a length above 0")
		}
	}
	return d.addSection(s, out)
}

// sectionSpec expects what stands between the brackets.
func (d *Decoder) sectionSpec(s *Section) bool {
	for isDigit(d.Peek()) {
		var n uint32
		if !d.NZNumber(&n) {
			return false
		}
		if len(s.Path) >= MaxPath {
			return d.Refuse("LIMIT", "the part number has too many levels")
		}
		s.Path = append(s.Path, n)
		if !d.Take('.') {
			return true
		}
		if !isDigit(d.Peek()) && s.Kind != SectionAll {
			return d.Fail("a number")
		}
	}
	if s.Kind != SectionAll || d.Peek() == ']' && len(s.Path) == 0 {
		return true
	}
	switch {
	case d.TakeWord("HEADER"):
		s.Kind = SectionHeader
	case d.TakeWord("TEXT"):
		s.Kind = SectionText
	case len(s.Path) > 0 && d.TakeWord("MIME"):
		s.Kind = SectionMIME
	case d.TakeWord("HEADER.FIELDS"):
		s.Kind = SectionHeaderFields
		return d.SP() && d.headerFields(s)
	case d.TakeWord("HEADER.FIELDS.NOT"):
		s.Kind = SectionHeaderFieldsNot
		return d.SP() && d.headerFields(s)
	default:
		return d.Fail("a section")
	}
	return true
}

func (d *Decoder) headerFields(s *Section) bool {
	return d.List(func() bool {
		var b []byte
		if !d.Astring(&b) {
			return false
		}
		if len(s.Fields) >= MaxHeaderFields {
			return d.Refuse("LIMIT", "too many header fields")
		}
		s.Fields = append(s.Fields, string(b))
		return true
	}) && (len(s.Fields) > 0 || d.Fail("a header field"))
}

// fetchModifiers expects (CHANGEDSINCE n VANISHED PARTIAL a:b).
func (d *Decoder) fetchModifiers(uid bool, out *Fetch) bool {
	ok := d.List(func() bool {
		switch {
		case d.TakeWord("CHANGEDSINCE"):
			out.HasChangedSince = true
			return d.SP() && d.Number64(&out.ChangedSince)
		case uid && d.TakeWord("VANISHED"):
			out.Vanished = true
			return true
		case uid && out.Partial == Partial{} && d.TakeWord("PARTIAL"):
			return d.SP() && d.partial(&out.Partial)
		}
		return d.Fail("a FETCH modifier")
	})
	if ok && out.Vanished && !out.HasChangedSince {
		return d.Fail("CHANGEDSINCE beside VANISHED") // RFC 7162 section 3.2.6
	}
	return ok
}
