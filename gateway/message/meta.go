package message

import "strings"

// encoding is a content transfer encoding that is decoded.
type encodingKind uint8

const (
	identity encodingKind = iota // 7bit, 8bit, binary and what is not known
	base64Encoding
	quotedPrintable
	uuencode
)

// meta is what the header of a part says, as one reading takes it.
type meta struct {
	mediaType   string
	params      map[string]string
	boundary    string
	disposition string
	filename    string
	encoding    string // the word, lower case
	kind        encodingKind
	hasType     bool // a valid Content-Type
	odd         bool // other readings may take it differently
	over        bool // a bound kept something from being read
}

func (m *meta) multipart() bool { return strings.HasPrefix(m.mediaType, "multipart/") }

// message tells whether a whole message is inside.
func (m *meta) message() bool {
	return m.mediaType == "message/rfc822" || m.mediaType == "message/global" || m.mediaType == "message/news"
}

// readMeta reads the Content- fields of h as the reading takes them; def is
// the media type where there is none.
func readMeta(h *Header, r ReadingName, def string) meta {
	m := meta{mediaType: def}
	var ct, cd contentValue
	if v, ok := pick(h, "Content-Type", r, &m); ok {
		ct = parseContent(v)
		m.setType(&ct, r)
		m.params = ct.all(r)
	}
	if v, ok := pick(h, "Content-Disposition", r, &m); ok {
		cd = parseContent(v)
		m.disposition = cd.value
	}
	if v, ok := pick(h, "Content-Transfer-Encoding", r, &m); ok {
		m.setEncoding(v, r)
	}
	m.filename = filename(&ct, &cd, r)
	m.odd = m.odd || ct.odd || cd.odd || differ(&ct, &cd)
	m.over = ct.over || cd.over
	return m
}

// pick returns the value of the field that the reading takes.
func pick(h *Header, name string, r ReadingName, m *meta) (v string, found bool) {
	for i := range h.fields {
		f := &h.fields[i]
		if !f.Is(name) {
			continue
		}
		if f.body != len(f.Name)+1 { // white space before the colon
			m.odd = true
			if r == Strict {
				continue
			}
		}
		if found {
			m.odd = true
			if r != Last {
				break
			}
		}
		v, found = f.Value(), true
	}
	return v, found
}

// setType takes the media type and the boundary.
func (m *meta) setType(c *contentValue, r ReadingName) {
	t, sub, ok := strings.Cut(c.value, "/")
	b, hasBoundary := c.get("boundary", r)
	switch {
	case ok && isToken(t) && isToken(sub):
		m.mediaType, m.hasType = c.value, true
	case hasBoundary:
		m.odd = true
		if r == Loose {
			m.mediaType = "multipart/mixed"
		} else if m.mediaType != "" {
			m.mediaType = "text/plain"
		}
	default:
		m.mediaType = "text/plain" // RFC 2045 section 5.2
	}
	if !hasBoundary {
		m.odd = m.odd || m.multipart()
		return
	}
	if strings.Contains(b, "=?") || len(b) > 1 && b[0] == '\'' {
		m.odd = true
		if r == Loose {
			b = strings.Trim(DecodeText(b), "'")
		}
	}
	m.boundary = strings.TrimRight(b, " \t")
}

// setEncoding takes the transfer encoding.
func (m *meta) setEncoding(v string, r ReadingName) {
	whole := lower(strings.Trim(v, " \t"))
	l := &lexer{s: whole}
	l.skip()
	word := whole
	if l.peek() == '"' {
		word = l.quoted()
	} else {
		word = l.run(`;,("`)
	}
	word = strings.Trim(word, " \t")
	m.encoding, m.kind = word, kindOf(word)
	m.odd = m.odd || word != whole || m.kind == identity && !plainEncoding(word)
	switch r {
	case Strict:
		m.kind = kindOf(whole)
		if m.kind == uuencode {
			m.kind = identity
		}
	case Loose:
		if m.kind != identity || plainEncoding(word) {
			break
		}
		if strings.Contains(whole, "base64") || strings.Contains(whole, "base-64") {
			m.encoding, m.kind = "base64", base64Encoding
		} else if strings.Contains(whole, "quoted") {
			m.encoding, m.kind = "quoted-printable", quotedPrintable
		}
	}
}

func kindOf(word string) encodingKind {
	switch word {
	case "base64":
		return base64Encoding
	case "quoted-printable":
		return quotedPrintable
	case "x-uuencode", "uuencode", "x-uue", "uue":
		return uuencode
	}
	return identity
}

// plainEncoding tells whether the word means that nothing is encoded.
func plainEncoding(word string) bool {
	switch word {
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "none":
		return true
	}
	return false
}

// filename returns the file name: of Content-Disposition before that of
// Content-Type, but the other way round for a loose reader.
func filename(ct, cd *contentValue, r ReadingName) string {
	name, ok := cd.get("filename", r)
	if n, has := ct.get("name", r); has && n != "" && (!ok || r == Loose || strings.HasPrefix(n, name+".") || name == "") {
		name, ok = n, true // "signature.asc" beside "signature" too
	}
	if !ok {
		name, _ = cd.get("name", r) // seen in the wild
	}
	return DecodeText(name)
}

// differ tells whether the places of a file name say different things.
func differ(ct, cd *contentValue) bool {
	a, _ := cd.get("filename", Plain)
	b, _ := ct.get("name", Plain)
	return a != b && a != "" && b != "" && !strings.HasPrefix(b, a+".") && extension(DecodeText(a)) != extension(DecodeText(b))
}

// extension returns what follows the last dot, as desktops take it: lower
// case, without dots, white space and control characters at the end.
func extension(name string) string {
	name = strings.TrimRightFunc(name, func(r rune) bool { return r <= ' ' || r == '.' || r == 0x7f })
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return lower(name[i+1:])
	}
	return ""
}

// same tells whether two readings of a header lead to the same parts.
func (m *meta) same(o *meta) bool {
	if m.mediaType != o.mediaType || m.multipart() && m.boundary != o.boundary {
		return false
	}
	if m.multipart() {
		return true
	}
	return m.kind == o.kind && extension(m.filename) == extension(o.filename)
}
