package text

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxGroups bounds the nesting of RTF groups; deeper ones belong to the
// deepest.
const maxGroups = 64

// rtfGroup is what a { begins.
type rtfGroup struct {
	skip   bool // a destination that shows nothing
	hidden bool // \v
	field  bool // the instruction of a field, where a hyperlink stands
	uc     int  // octets that stand for one \u
}

// rtf is the state of reading one RTF file.
type rtf struct {
	p     *Page
	src   []byte
	i     int
	g     rtfGroup
	stack []rtfGroup
	deep  int
	pass  int  // octets still to pass over after \u
	high  rune // the first half of a surrogate pair
	buf   []byte
	inst  []byte
}

// RTF adds one part of Rich Text Format: its text, hidden text apart, and its
// hyperlinks. src is as it came: RTF names its own characters.
func (p *Page) RTF(src []byte) {
	src = p.begin(src)
	p.Shape.RTFParts++
	r := rtf{p: p, src: src, g: rtfGroup{uc: 1}}
	for r.i < len(src) {
		r.step()
	}
	r.flush()
	p.end()
}

func (r *rtf) step() {
	switch c := r.src[r.i]; c {
	case '{':
		r.flush()
		if len(r.stack) < maxGroups {
			r.stack = append(r.stack, r.g)
		} else {
			r.deep++
		}
		r.pass = 0
	case '}':
		r.flush()
		r.close()
	case '\\':
		r.i++
		r.control()
		return
	case '\r', '\n', 0:
	default:
		r.octet(c)
	}
	r.i++
}

// close ends a group.
func (r *rtf) close() {
	r.pass = 0
	switch n := len(r.stack); {
	case r.deep > 0:
		r.deep--
	case n > 0:
		was := r.g
		r.g, r.stack = r.stack[n-1], r.stack[:n-1]
		if was.field && !r.g.field {
			r.hyperlink()
		}
	}
}

// octet is one character of the text in windows-1252.
func (r *rtf) octet(c byte) {
	if r.pass > 0 {
		r.pass--
		return
	}
	switch {
	case c < utf8.RuneSelf:
		r.put(rune(c))
	case c < 0xa0:
		r.put(windows1252[c-0x80])
	default:
		r.put(rune(c))
	}
}

func (r *rtf) put(c rune) {
	switch {
	case r.g.field:
		if len(r.inst) < MaxTarget {
			r.inst = utf8.AppendRune(r.inst, c)
		}
	case !r.g.skip:
		r.buf = utf8.AppendRune(r.buf, c)
	}
}

// flush writes the text so far.
func (r *rtf) flush() {
	if len(r.buf) == 0 {
		return
	}
	out := &r.p.text
	if r.g.hidden {
		out = &r.p.hidden
	}
	out.plainLine(r.buf)
	r.buf = r.buf[:0]
}

// control reads what follows a backslash.
func (r *rtf) control() {
	if r.i >= len(r.src) {
		return
	}
	c := r.src[r.i]
	r.i++
	switch {
	case c == '\'':
		if r.i+1 < len(r.src) {
			h, l := hexValue(r.src[r.i]), hexValue(r.src[r.i+1])
			if r.i += 2; h >= 0 && l >= 0 {
				r.octet(byte(h<<4 | l))
			}
		}
		return
	case c == '*':
		r.g.skip = true
		return
	case c == '~':
		r.put(' ')
		return
	case c == '-': // optional hyphen
		return
	case c == '_':
		r.put('-')
		return
	case !isLetter(c):
		r.octet(c)
		return
	}
	from := r.i - 1
	for r.i < len(r.src) && r.i-from < 32 && isLetter(r.src[r.i]) {
		r.i++
	}
	word := r.src[from:r.i]
	n, has, neg := 0, false, false
	if r.i < len(r.src) && r.src[r.i] == '-' {
		neg = true
		r.i++
	}
	for r.i < len(r.src) && isDigit(r.src[r.i]) {
		if has = true; n < 1<<24 {
			n = n*10 + int(r.src[r.i]-'0')
		}
		r.i++
	}
	if neg {
		n = -n
	}
	if r.i < len(r.src) && r.src[r.i] == ' ' {
		r.i++
	}
	r.word(word, n, has)
}

// word obeys a control word.
func (r *rtf) word(w []byte, n int, has bool) {
	switch string(w) {
	case "par", "line", "row", "sect", "page":
		r.flush()
		if !r.g.skip {
			r.p.text.gap(line)
		}
	case "tab", "cell", "emspace", "enspace":
		r.put(' ')
	case "v":
		r.flush()
		r.g.hidden = !has || n != 0
	case "fonttbl", "colortbl", "stylesheet", "info", "pict", "themedata", "datastore", "listtable", "listoverridetable", "generator", "xmlnstbl", "rsidtbl", "objdata", "header", "footer", "latentstyles", "filetbl":
		r.g.skip = true
	case "fldinst":
		r.g.field, r.g.skip = true, false
	case "fldrslt":
		r.g.field = false
	case "uc":
		r.g.uc = max(0, min(n, 16))
	case "u":
		r.unicode(rune(uint16(n)))
	case "bin":
		r.i += max(0, min(n, len(r.src)-r.i))
	case "lquote", "rquote":
		r.put('\'')
	case "ldblquote", "rdblquote":
		r.put('"')
	case "endash", "emdash":
		r.put('-')
	case "bullet":
		r.put('*')
	}
}

// unicode is \uN.
func (r *rtf) unicode(c rune) {
	r.pass = r.g.uc
	if utf16.IsSurrogate(c) {
		if full := utf16.DecodeRune(r.high, c); full != utf8.RuneError {
			r.put(full)
			c = 0
		}
		r.high = c
		return
	}
	r.high = 0
	if c != 0 {
		r.put(c)
	}
}

// hyperlink notes the target in a field's instruction.
func (r *rtf) hyperlink() {
	inst := trimSpace(r.inst)
	r.inst = r.inst[:0]
	if !hasPrefixFold(inst, "hyperlink") {
		return
	}
	inst = trimSpace(inst[len("hyperlink"):])
	if i := bytes.IndexByte(inst, '"'); i >= 0 {
		inst = inst[i+1:]
		if j := bytes.IndexByte(inst, '"'); j >= 0 {
			inst = inst[:j]
		}
	}
	if len(inst) > 0 {
		r.p.links.add(linkEntry{kind: Anchor}, inst)
	}
}
