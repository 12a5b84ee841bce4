package text

import "bytes"

// hides is the set of ways in which markup keeps text from its reader.
type hides uint16

const (
	hideDisplay hides = 1 << iota
	hideVisible
	hideTiny
	hideColour
	hideOffscreen
	hideBox
	hideOutlook // only Outlook obeys: hides nothing for others
)

// colour is 0xRRGGBB, or one of those below.
type colour int32

const (
	unset   colour = -1 // nothing said: inherited
	unknown colour = -2 // said, but not to be known: an image, a variable
	clear_  colour = -3 // transparent
	inherit colour = -4 // said to be inherited, where it would not be
)

// style is what declarations say of one element.
type style struct {
	hide       hides // never ends inside the element
	visibility int8  // 0 unset, 1 visible, 2 hidden
	indent     int8  // text-indent: 0 unset, 1 none, 2 off-screen
	size       int16 // font size in tenths of a pixel; 0 unset, -1 nothing
	fg, bg     colour
	inline     bool // display:inline: a block does not break the line
	breaks     bool // display:block
	pre        bool // white-space: pre, pre-line, pre-wrap
	bidi       bool // direction of writing turned
	cites      bool // a border on the left, as quotes have
}

func newStyle() style { return style{fg: unset, bg: unset} }

// any tells whether the style matters here.
func (s *style) any() bool { return *s != newStyle() }

// merge lays o over s.
func (s *style) merge(o *style) {
	s.hide |= o.hide
	if o.visibility != 0 {
		s.visibility = o.visibility
	}
	if o.indent != 0 {
		s.indent = o.indent
	}
	if o.size != 0 {
		s.size = o.size
	}
	if o.fg != unset {
		s.fg = o.fg
	}
	if o.bg != unset {
		s.bg = o.bg
	}
	s.inline = s.inline || o.inline
	s.breaks = s.breaks || o.breaks
	s.pre = s.pre || o.pre
	s.bidi = s.bidi || o.bidi
	s.cites = s.cites || o.cites
}

// boxed are declarations that hide only together.
type boxed struct {
	flat, clipped, placed, far, unshown, shown bool
}

// maxDeclarations bounds the declarations of one rule or attribute.
const maxDeclarations = 128

// css reads the declarations of a rule or a style attribute. url is called
// with the target of each url().
func (r *renderer) css(decl []byte, url func([]byte)) style {
	s := newStyle()
	decl = r.plainCSS(decl)
	var b boxed
	for range maxDeclarations {
		if len(decl) == 0 {
			break
		}
		var d []byte
		d, decl = cutDeclaration(decl)
		i := bytes.IndexByte(d, ':')
		if i < 0 {
			continue
		}
		name, value := trimSpace(d[:i]), trimSpace(d[i+1:])
		if len(name) < 3 || len(value) == 0 {
			continue
		}
		if url != nil && len(value) > 5 {
			cssURLs(value, url)
		}
		s.declare(&b, name, value)
	}
	if b.unshown && !b.shown {
		s.hide |= hideDisplay
	}
	if b.flat && b.clipped {
		s.hide |= hideBox
	}
	if b.far && b.placed {
		s.hide |= hideOffscreen
	}
	return s
}

// cutDeclaration splits at the next ; that is not inside parentheses.
func cutDeclaration(b []byte) (d, rest []byte) {
	for i, c := range b {
		switch c {
		case ';':
			return b[:i], b[i+1:]
		case '(':
			// url(data:image/png;base64,...) holds semicolons.
			if j := bytes.IndexByte(b[i:], ')'); j >= 0 {
				if k := bytes.IndexByte(b[i+j:], ';'); k >= 0 {
					return b[:i+j+k], b[i+j+k+1:]
				}
				return b, nil
			}
		}
	}
	return b, nil
}

// plainCSS takes comments and escapes out; into scratch only when there are.
func (r *renderer) plainCSS(b []byte) []byte {
	if !bytes.Contains(b, []byte("/*")) && bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := r.cssBuf[:0]
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '/' && i+1 < len(b) && b[i+1] == '*':
			j := bytes.Index(b[i+2:], []byte("*/"))
			if j < 0 {
				i = len(b)
				continue
			}
			i += j + 3
		case b[i] == '\\' && i+1 < len(b):
			v, n := rune(0), 0
			for n < 6 && i+1+n < len(b) && hexValue(b[i+1+n]) >= 0 {
				v = v*16 + hexValue(b[i+1+n])
				n++
			}
			switch {
			case n == 0:
				out = append(out, b[i+1])
				n = 1
			case v < 0x80:
				out = append(out, byte(v))
				if i+1+n < len(b) && class[b[i+1+n]]&white != 0 {
					n++
				}
			default:
				out = append(out, '?')
			}
			i += n
		default:
			out = append(out, b[i])
		}
	}
	r.cssBuf = out
	return out
}

// cssURLs finds url(...) in a value.
func cssURLs(value []byte, f func([]byte)) {
	for range 8 {
		i := indexFold(value, "url(")
		if i < 0 {
			return
		}
		value = value[i+4:]
		j := bytes.IndexByte(value, ')')
		if j < 0 {
			return
		}
		f(bytes.Trim(trimSpace(value[:j]), `"'`))
		value = value[j:]
	}
}

// maxProperty is the longest name of a property that is looked at.
const maxProperty = 24

// declare takes one declaration in.
func (s *style) declare(b *boxed, name, value []byte) {
	var buf [maxProperty]byte
	if len(name) > maxProperty {
		return
	}
	for i, c := range name {
		buf[i] = lower(c)
	}
	if i := bytes.IndexByte(value, '!'); i >= 0 {
		value = trimSpace(value[:i])
	}
	switch string(buf[:len(name)]) {
	case "display":
		switch {
		case equalFold(value, "none"):
			b.unshown, b.shown = true, false
		case hasPrefixFold(value, "inline"):
			b.shown, s.inline = true, true
		default:
			b.shown, s.breaks = true, equalFold(value, "block")
		}
	case "visibility":
		s.visibility = 1
		if equalFold(value, "hidden") || equalFold(value, "collapse") {
			s.visibility = 2
		}
	case "opacity":
		if v, _, ok := number(value); ok && v < 0.06 {
			s.hide |= hideVisible
		}
	case "filter", "-ms-filter":
		if containsFold(value, "opacity=0)") || containsFold(value, "opacity(0") {
			s.hide |= hideVisible
		}
	case "font-size":
		s.size = fontSize(value)
	case "font":
		s.shortFont(value)
	case "color", "-webkit-text-fill-color":
		s.fg = colourOf(value)
	case "background-color":
		s.bg = colourOf(value)
	case "background":
		s.bg = backgroundOf(value)
	case "background-image":
		if !equalFold(value, "none") {
			s.bg = unknown
		}
	case "height", "max-height", "width", "max-width":
		if v, _, ok := number(value); ok && v >= 0 && v < 1 {
			b.flat = true
		}
	case "overflow", "overflow-y", "overflow-x":
		b.clipped = equalFold(value, "hidden") || equalFold(value, "clip")
	case "position":
		b.placed = b.placed || equalFold(value, "absolute") || equalFold(value, "fixed") || equalFold(value, "relative")
	case "left", "top", "right", "bottom":
		if v, unit, ok := number(value); ok && pixels(v, unit, 1000) <= -500 {
			b.far = true
		}
	case "margin-left", "margin-top":
		if v, unit, ok := number(value); ok && pixels(v, unit, 100) <= -900 {
			s.hide |= hideOffscreen
		}
	case "text-indent":
		s.indent = 1
		if v, unit, ok := number(value); ok && pixels(v, unit, 100) <= -500 {
			s.indent = 2
		}
	case "clip":
		if bytes.ContainsAny(value, "0") && !bytes.ContainsAny(value, "23456789") && hasPrefixFold(value, "rect") {
			b.far = true
		}
	case "clip-path":
		if containsFold(value, "inset(100") || containsFold(value, "inset(50") || containsFold(value, "circle(0") {
			s.hide |= hideOffscreen
		}
	case "transform":
		if containsFold(value, "scale(0)") || containsFold(value, "scale(0,") {
			s.hide |= hideOffscreen
		}
	case "mso-hide":
		if equalFold(value, "all") {
			s.hide |= hideOutlook
		}
	case "white-space":
		s.pre = hasPrefixFold(value, "pre")
	case "unicode-bidi":
		s.bidi = containsFold(value, "override")
	case "border-left":
		s.cites = !hasPrefixFold(value, "0") && !hasPrefixFold(value, "none")
	}
}

// shortFont takes the size out of a font shorthand: the first length in it.
func (s *style) shortFont(value []byte) {
	for _, w := range bytes.Fields(value) {
		if i := bytes.IndexByte(w, '/'); i >= 0 {
			w = w[:i]
		}
		if isDigit(w[0]) || w[0] == '.' {
			if _, unit, ok := number(w); ok && (len(unit) > 0 || w[0] == '0') {
				s.size = fontSize(w)
				return
			}
		}
	}
}

// number reads a number and its unit.
func number(b []byte) (v float64, unit []byte, ok bool) {
	i, neg := 0, false
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		neg = b[i] == '-'
		i++
	}
	scale, frac := 1.0, false
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case isDigit(c):
			ok = true
			if frac {
				scale /= 10
				v += float64(c-'0') * scale
			} else if v < 1e9 {
				v = v*10 + float64(c-'0')
			}
			continue
		case c == '.' && !frac:
			frac = true
			continue
		}
		break
	}
	if neg {
		v = -v
	}
	return v, b[i:], ok
}

// pixels makes a length one of pixels; percent is of whole.
func pixels(v float64, unit []byte, whole float64) float64 {
	switch {
	case len(unit) == 0:
		return v
	case unit[0] == '%':
		return v * whole / 100
	case hasPrefixFold(unit, "pt"):
		return v * 4 / 3
	case hasPrefixFold(unit, "em"), hasPrefixFold(unit, "rem"):
		return v * 16
	case hasPrefixFold(unit, "in"):
		return v * 96
	case hasPrefixFold(unit, "cm"):
		return v * 38
	case hasPrefixFold(unit, "vw"), hasPrefixFold(unit, "vh"):
		return v * 10
	}
	return v
}

// fontSize is in tenths of a pixel, -1 for nothing, 0 when it is no number.
func fontSize(value []byte) int16 {
	v, unit, ok := number(value)
	if !ok || v < 0 {
		return 0
	}
	px := pixels(v, unit, 16) * 10
	switch {
	case px < 1:
		return -1
	case px > 30000:
		return 30000
	}
	return int16(px)
}
