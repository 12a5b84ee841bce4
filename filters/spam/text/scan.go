package text

import "bytes"

// tokenKind is what the scanner found.
type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokText              // scanner.data, entities not decoded
	tokStart             // scanner.name, attrs
	tokClose             // scanner.name
	tokComment           // scanner.data: between <!-- and -->, or of a bogus comment
	tokDoctype
)

// maxAttrs bounds the attributes of a tag that are kept.
const maxAttrs = 32

// attr is an attribute as written: entities are not decoded.
type attr struct{ name, value []byte }

// scanner is the tokenizer of HTML (the WHATWG standard, section 13.2.5) over
// octets at hand. It copies nothing. The content of script, style and their
// like comes as one text token.
type scanner struct {
	src   []byte
	pos   int
	data  []byte
	name  []byte // as written
	tag   tag
	attrs [maxAttrs]attr
	n     int // attributes in attrs
	more  int // attributes beyond
	// initials has a bit for each first letter of the names in attrs.
	initials uint32
	self     bool // <br/>
	raw      tag  // inside this element no markup is known
}

func (s *scanner) reset(src []byte) { s.src, s.pos, s.raw = src, 0, 0 }

// next finds the next token.
func (s *scanner) next() tokenKind {
	for s.pos < len(s.src) {
		if s.raw != 0 {
			if s.rawText(); len(s.data) > 0 {
				return tokText
			}
			continue
		}
		start := s.pos
		for {
			i := bytes.IndexByte(s.src[s.pos:], '<')
			if i < 0 {
				s.pos = len(s.src)
				s.data = s.src[start:]
				return tokText
			}
			s.pos += i
			if s.markupAt(s.pos + 1) {
				break
			}
			s.pos++ // a < that is text
		}
		if s.pos > start {
			s.data = s.src[start:s.pos]
			return tokText
		}
		if k := s.markup(); k != tokEnd {
			return k
		}
	}
	return tokEnd
}

// markupAt tells whether < is the beginning of markup when src[i:] follows.
func (s *scanner) markupAt(i int) bool {
	if i >= len(s.src) {
		return false
	}
	switch c := s.src[i]; {
	case isLetter(c), c == '!', c == '?':
		return true
	case c == '/':
		return i+1 < len(s.src)
	}
	return false
}

// markup reads what begins with < at pos; tokEnd for nothing.
func (s *scanner) markup() tokenKind {
	switch c := s.src[s.pos+1]; {
	case c == '!':
		return s.declaration()
	case c == '?':
		return s.bogus(s.pos + 1)
	case c == '/':
		return s.closing()
	}
	s.pos++
	if !s.tagName() || !s.attributes() {
		s.pos = len(s.src) // the file ends inside a tag: there is no tag
		return tokEnd
	}
	s.raw = rawKind(s.tag)
	return tokStart
}

func (s *scanner) closing() tokenKind {
	c := s.src[s.pos+2]
	if c == '>' { // </>
		s.pos += 3
		return tokEnd
	}
	if !isLetter(c) {
		return s.bogus(s.pos + 2)
	}
	s.pos += 2
	if !s.tagName() || !s.attributes() {
		s.pos = len(s.src)
		return tokEnd
	}
	return tokClose
}

// bogus is a comment up to the next >.
func (s *scanner) bogus(from int) tokenKind {
	s.data = s.src[from:]
	s.pos = len(s.src)
	if i := bytes.IndexByte(s.data, '>'); i >= 0 {
		s.data, s.pos = s.data[:i], from+i+1
	}
	return tokComment
}

func (s *scanner) declaration() tokenKind {
	rest := s.src[s.pos+2:]
	if len(rest) >= 2 && rest[0] == '-' && rest[1] == '-' {
		s.comment(s.pos + 4)
		return tokComment
	}
	if hasPrefixFold(rest, "doctype") {
		s.bogus(s.pos + 2)
		return tokDoctype
	}
	return s.bogus(s.pos + 2)
}

// comment ends at -->, at --!>, or, empty, at > and ->.
func (s *scanner) comment(from int) {
	rest := s.src[from:]
	switch {
	case len(rest) > 0 && rest[0] == '>':
		s.data, s.pos = nil, from+1
		return
	case len(rest) > 1 && rest[0] == '-' && rest[1] == '>':
		s.data, s.pos = nil, from+2
		return
	}
	for i := 0; ; {
		j := bytes.Index(rest[i:], []byte("--"))
		if j < 0 {
			s.data, s.pos = rest, len(s.src)
			return
		}
		i += j
		switch {
		case i+2 < len(rest) && rest[i+2] == '>':
			s.data, s.pos = rest[:i], from+i+3
			return
		case i+3 < len(rest) && rest[i+2] == '!' && rest[i+3] == '>':
			s.data, s.pos = rest[:i], from+i+4
			return
		}
		i++
	}
}

// tagName reads a name; false at the end of the file.
func (s *scanner) tagName() bool {
	from := s.pos
	for i := from; i < len(s.src); i++ {
		if class[s.src[i]]&endsName != 0 {
			s.name, s.pos = s.src[from:i], i
			s.tag = tagOf(s.name)
			return true
		}
	}
	return false
}

// attributes reads to the end of the tag; false at the end of the file.
func (s *scanner) attributes() bool {
	s.n, s.more, s.self = 0, 0, false
	src, i := s.src, s.pos
	for i < len(src) {
		switch c := src[i]; {
		case class[c]&white != 0:
			i++
			continue
		case c == '>':
			s.pos = i + 1
			return true
		case c == '/':
			i++
			s.self = i < len(src) && src[i] == '>'
			continue
		}
		if i = s.attribute(i); i < 0 {
			return false
		}
	}
	return false
}

// attribute reads one, and gives where it ends, -1 at the end of the file.
func (s *scanner) attribute(i int) int {
	src, from := s.src, i
	if src[i] == '=' { // a = at the beginning is part of the name
		i++
	}
	for i < len(src) && class[src[i]]&endsName == 0 && src[i] != '=' {
		i++
	}
	a := attr{name: src[from:i]}
	for i < len(src) && class[src[i]]&white != 0 {
		i++
	}
	if i >= len(src) {
		return -1
	}
	if src[i] == '=' {
		if i = s.value(i+1, &a); i < 0 {
			return -1
		}
	}
	if s.n < maxAttrs && !s.has(a.name) {
		if s.n == 0 {
			s.initials = 0
		}
		s.initials |= initial(a.name)
		s.attrs[s.n] = a
		s.n++
	} else {
		s.more++
	}
	return i
}

// has tells whether the tag has the attribute already: the first one counts.
func (s *scanner) has(name []byte) bool {
	if len(name) == 0 || s.n == 0 || s.initials&initial(name) == 0 {
		return false
	}
	for i := range s.attrs[:s.n] {
		if old := s.attrs[i].name; len(old) == len(name) && old[0]|0x20 == name[0]|0x20 && bytes.EqualFold(old, name) {
			return true
		}
	}
	return false
}

// initial is the bit of a name's first letter.
func initial(name []byte) uint32 {
	if len(name) == 0 {
		return 0
	}
	return 1 << (name[0] & 31)
}

func (s *scanner) value(i int, a *attr) int {
	src := s.src
	for i < len(src) && class[src[i]]&white != 0 {
		i++
	}
	if i >= len(src) {
		return -1
	}
	if q := src[i]; q == '"' || q == '\'' {
		j := bytes.IndexByte(src[i+1:], q)
		if j < 0 {
			return -1
		}
		a.value = src[i+1 : i+1+j]
		return i + j + 2
	}
	from := i
	for i < len(src) && class[src[i]]&white == 0 && src[i] != '>' {
		i++
	}
	a.value = src[from:i]
	return i
}

// rawText reads up to the end tag of s.raw.
func (s *scanner) rawText() {
	name, rest := tagNames[s.raw], s.src[s.pos:]
	s.data = rest
	if s.raw == tagPlaintext {
		s.pos = len(s.src)
		return
	}
	for i := 0; ; i += 2 {
		j := bytes.Index(rest[i:], []byte("</"))
		if j < 0 {
			s.pos = len(s.src)
			break
		}
		i += j
		if end := i + 2 + len(name); end < len(rest) && hasPrefixFold(rest[i+2:], name) && class[rest[end]]&endsName != 0 {
			s.data = rest[:i]
			s.pos += i
			break
		}
	}
	s.raw = 0
}

// rawKind gives t when its content is no markup.
func rawKind(t tag) tag {
	switch t {
	case tagScript, tagStyle, tagTitle, tagTextarea, tagXmp, tagIframe, tagNoembed, tagNoframes, tagPlaintext:
		return t
	}
	return 0
}

// charClass says what an octet is to the scanner and the renderer.
type charClass uint8

const (
	white    charClass = 1 << iota // space, tab, LF, FF, CR
	endsName                       // white, /, >
	notPlain                       // white, &, NUL, the beginning of a filler: text that is not copied as it stands
)

// class is of every octet.
var class = classes()

func classes() (t [256]charClass) {
	for _, c := range " \t\n\f\r" {
		t[c] = white | endsName | notPlain
	}
	t['/'], t['>'] = endsName, endsName
	t['&'], t[0] = notPlain, notPlain
	t[0xc2], t[0xcd], t[0xe2], t[0xef] = notPlain, notPlain, notPlain, notPlain // see filler
	return t
}

func isLetter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// hasPrefixFold compares with a prefix in lower case.
func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(b[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// equalFold compares with a name in lower case.
func equalFold(b []byte, name string) bool { return len(b) == len(name) && hasPrefixFold(b, name) }

// containsFold finds a string in lower case.
func containsFold(b []byte, sub string) bool { return indexFold(b, sub) >= 0 }

// indexFold finds a string in lower case, whose first octet is a letter; -1.
func indexFold(b []byte, sub string) int {
	lo, up := sub[0], sub[0]&^0x20
	for i := 0; i+len(sub) <= len(b); i++ {
		if c := b[i]; (c == lo || c == up) && hasPrefixFold(b[i:], sub) {
			return i
		}
	}
	return -1
}

// trimSpace cuts HTML white space off both ends.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && class[b[0]]&white != 0 {
		b = b[1:]
	}
	for len(b) > 0 && class[b[len(b)-1]]&white != 0 {
		b = b[:len(b)-1]
	}
	return b
}
