package text

import "bytes"

const (
	// maxDepth bounds the stack of open elements; deeper ones are not kept.
	maxDepth = 256
	// maxReopen bounds the formatting elements opened again after a block.
	maxReopen = 8
)

// look is how the text of an element looks: what is inherited, computed.
type look struct {
	hide    hides // of it or of an element around it
	opacity int16 // in thousandths, of all around it together
	shadow  bool
	tiny    bool
	unseen  bool // visibility
	far     bool // text-indent
	pre     bool
	quote   bool
	svg     bool
	size    int16
	fg, bg  colour
	tagHide bool // inside <title>, <template> ...
	sheet   bool // a rule of a style sheet hides it
}

// hidden tells whether a reader does not see letters that look so.
func (l *look) hidden() bool {
	return l.hide&^hideOutlook != 0 || l.opacity < leastOpacity || l.tiny || l.unseen || l.far || l.tagHide ||
		!l.shadow && (l.fg == clear_ || alike(l.fg, l.bg))
}

// unshown tells whether pictures that look so are not seen either.
func (l *look) unshown() bool {
	return l.hide&^(hideOutlook|hidesLetters) != 0 || l.opacity < leastOpacity || l.unseen || l.tagHide
}

// element is one open element.
type element struct {
	tag    tag
	hash   uint32 // of the name, when the tag is not known
	look   look
	gone   bool // letters of it are hidden
	lines  bool // its end breaks the line
	anchor bool // an <a href>; its link is renderer.anchor
	style  style
	names  names // where rules ask for what is inside something else
	inside int   // elements that began in it
}

// renderer turns the markup of one part into what a reader sees.
type renderer struct {
	p     *Page
	s     scanner
	stack []element
	over  int // open elements beyond maxDepth
	open  [tagCount]int
	out   *sink
	gone  bool

	sheet  sheet
	vars   vars
	work   int      // comparisons for rules with conditions, of all parts
	beside []beside // by depth
	late   bool     // a style sheet came after text: render again
	rare   int
	buf    []byte // attribute values, decoded
	cssBuf []byte

	anchor       int // entry of the open anchor, -1 for none
	anchorSink   *sink
	anchorFrom   int // in anchorSink
	anchorHidden int // in the hidden text

	joint   bool // the last octet written was a letter or digit
	between bool // since then a comment or an element without content came
	single  int  // letters since the last tag
	shown   bool // visible text came
	tags    int  // and comments of this part
	steps   int  // elements that tags looked at, for the test of linear time
}

// HTML adds one part of HTML, in UTF-8.
func (p *Page) HTML(src []byte) {
	src = p.begin(src)
	p.Shape.HTMLParts++
	p.Shape.SourceBytes += len(src)
	r := &p.r
	r.p = p
	r.sheet.reset()
	r.vars.reset()
	before := p.Shape
	r.run(src)
	if r.late {
		// Rules apply to the whole page, wherever they stand.
		p.Shape = before
		for _, s := range []*sink{&p.text, &p.hidden, &p.quoted, &p.title} {
			s.rewind()
		}
		p.links.rewind()
		r.sheet.closed = true
		r.run(src)
	}
	p.tags += r.tags
	p.end()
}

func (r *renderer) reset(src []byte) {
	r.s.reset(src)
	if r.stack == nil {
		r.stack = make([]element, 0, 32)
	}
	r.stack = append(r.stack[:0], element{tag: tagHTML, look: look{size: 160, fg: 0, bg: 0xffffff, opacity: 1000}, style: newStyle(), names: names{tag: hashHTML, on: true, nth: 1}})
	clear(r.open[:])
	if r.beside != nil {
		r.beside[0].n, r.beside[0].last = 0, 0
	}
	r.over, r.out, r.gone, r.late, r.rare = 0, &r.p.text, false, false, 0
	r.steps, r.tags = 0, 0
	r.anchor, r.joint, r.between, r.single, r.shown = -1, false, false, 0, len(r.p.Text) > 0
}

func (r *renderer) run(src []byte) {
	r.reset(src)
	sh := &r.p.Shape
	for {
		from := r.s.pos
		switch r.s.next() {
		case tokEnd:
			r.endAnchor()
			sh.Unclosed += r.unclosed()
			return
		case tokText:
			r.content(r.s.data)
			continue
		case tokStart:
			r.start()
		case tokClose:
			sh.EndTags++
			r.close()
		case tokComment:
			r.comment(r.s.data)
		}
		sh.MarkupBytes += r.s.pos - from
		if r.tags++; r.p.tags+r.tags >= MaxTags && r.s.pos < len(src) {
			sh.Cut++
			r.rest()
			return
		}
	}
}

// rest reads what follows too many tags: its text, and where its links lead.
func (r *renderer) rest() {
	r.endAnchor()
	r.gone, r.out = false, &r.p.text // what is hidden is not known any more
	for {
		raw := r.s.raw
		switch r.s.next() {
		case tokEnd:
			return
		case tokText:
			if raw == 0 || raw == tagTextarea || raw == tagXmp {
				r.text(r.s.data)
			}
		case tokStart:
			r.out.gap(space)
			if r.s.tag == tagA {
				r.link(Anchor, r.attribute("href"))
			}
		}
	}
}

// unclosed counts elements that are open at the end and should not be.
func (r *renderer) unclosed() int {
	n := 0
	for i := range r.stack[1:] {
		switch r.stack[i+1].tag {
		case tagDiv, tagTable, tagSpan, tagA, tagFont, tagCenter, tagB, tagForm:
			n++
		}
	}
	return n
}

func (r *renderer) top() *element { return &r.stack[len(r.stack)-1] }

// comment counts; it writes nothing, and parts no word.
func (r *renderer) comment(data []byte) {
	sh := &r.p.Shape
	sh.Comments++
	sh.CommentLen += len(data)
	if bytes.HasPrefix(data, []byte("[if")) || bytes.HasPrefix(data, []byte("[endif")) {
		sh.Conditional++
		return
	}
	r.between = r.between || r.joint
}

// content is a text token: of the page, or of an element without markup.
func (r *renderer) content(data []byte) {
	switch e := r.top(); e.tag {
	case tagScript:
		r.p.Shape.MarkupBytes += len(data)
		r.p.Shape.Scripts++
		r.p.Shape.ScriptLen += len(data)
		r.script(data)
	case tagStyle:
		r.p.Shape.MarkupBytes += len(data)
		r.p.Shape.StyleLen += len(data)
		if r.sheet.read(r, data) && r.shown && !r.sheet.closed {
			r.late = true
		}
	case tagTitle:
		if !e.look.svg {
			r.p.title.gap(line)
			r.write(&r.p.title, data, false)
		}
	case tagIframe, tagNoembed, tagNoframes, tagXmp, tagPlaintext:
		if e.tag == tagXmp || e.tag == tagPlaintext {
			r.write(r.out, data, true)
		}
	default:
		r.text(data)
	}
}

// text writes letters of the page to where they belong.
func (r *renderer) text(data []byte) {
	e := r.top()
	if r.gone {
		r.hiddenText(e, data)
		return
	}
	out := r.out
	before := len(out.buf)
	if r.between && r.joint && out.owed == noGap && len(data) > 0 && isWordByte(data[0]) {
		r.p.Shape.Splits++
	}
	r.write(out, data, e.look.pre)
	if n := len(out.buf); n > before {
		r.between, r.shown = false, true
		r.joint = out.owed == noGap && isWordByte(out.buf[n-1])
		if r.single++; n-before > 2 || !isWordByte(out.buf[n-1]) || n-before == 2 && out.buf[n-2] > ' ' {
			r.single = 2
		}
	}
}

// hiddenText writes letters that no reader sees, and counts why.
func (r *renderer) hiddenText(e *element, data []byte) {
	h := &r.p.hidden
	before := len(h.buf)
	r.write(h, data, e.look.pre)
	n := len(h.buf) - before
	if n == 0 {
		return
	}
	r.p.Shape.why(&e.look)
	if !r.shown {
		r.p.Shape.Preheader += n
	}
}

func isWordByte(c byte) bool { return c >= 0x80 || isLetter(c) || isDigit(c) }

// write decodes, collapses white space, and appends.
func (r *renderer) write(out *sink, data []byte, pre bool) {
	for len(data) > 0 && !out.full {
		n := plainRun(data, len(out.buf)+len(data) < out.limit)
		if n > 0 {
			out.word(data[:n])
			if data = data[n:]; len(data) == 0 {
				return
			}
		}
		switch c := data[0]; c {
		case '&':
			data = r.reference(out, data)
			continue
		case 0xc2, 0xcd, 0xe2, 0xef:
			n, filled := out.special(data)
			if filled {
				r.p.Shape.Fillers++
			}
			data = data[n:]
			continue
		case 0:
		case '\n':
			if pre {
				out.gap(line)
			} else {
				out.gap(space)
			}
		default:
			out.gap(space)
		}
		data = data[1:]
	}
}

// plainRun is how much of the beginning of data is written as it is: a word or,
// where all of data has room, words with a space between each and the next.
func plainRun(data []byte, room bool) int {
	n := 0
	for n < len(data) {
		if class[data[n]]&notPlain == 0 {
			n++
		} else if room && data[n] == ' ' && n > 0 && n+1 < len(data) && class[data[n+1]]&notPlain == 0 {
			n += 2
		} else {
			break
		}
	}
	return n
}

// reference writes the character reference at data[0].
func (r *renderer) reference(out *sink, data []byte) []byte {
	var buf [16]byte
	b, n := r.entity(buf[:0], data, false)
	if n == 0 {
		out.word(data[:1])
		return data[1:]
	}
	r.p.Shape.Entities++
	if len(b) == 1 && (isLetter(b[0]) || isDigit(b[0])) {
		r.p.Shape.LetterRefs++
	}
	switch {
	case len(b) == 1 && class[b[0]]&white != 0:
		out.gap(space)
		return data[n:]
	case b[0] >= 0xc2 && class[b[0]]&notPlain != 0:
		if size, filled := out.special(b); filled {
			r.p.Shape.Fillers++
			return data[n:]
		} else if size == len(b) {
			return data[n:]
		} else {
			b = b[size:]
		}
	}
	out.word(b)
	return data[n:]
}

// value decodes an attribute's value: references, and space around it.
func (r *renderer) value(v []byte) []byte {
	if bytes.IndexByte(v, '&') < 0 {
		return trimSpace(v)
	}
	out := r.buf[:0]
	for len(v) > 0 {
		i := bytes.IndexByte(v, '&')
		if i < 0 {
			break
		}
		out = append(out, v[:i]...)
		v = v[i:]
		b, n := r.entity(out, v, true)
		if n == 0 {
			b, n = append(out, '&'), 1
		}
		out, v = b, v[n:]
	}
	out = append(out, v...)
	r.buf = out
	return trimSpace(out)
}
