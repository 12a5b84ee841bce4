package text

import "bytes"

// hides is the set of ways in which markup keeps text from its reader.
type hides uint16

const (
	hideDisplay hides = 1 << iota
	hideContent       // content-visibility, columns of tables
	hideFilter
	hideSpacing // scaled to nothing
	hideMargin
	hidePlace
	hideClip
	hideTransform
	hideBox
	hideOutlook // only Outlook obeys: hides nothing for others
	hideMask
	hideLetters // on top of each other
	hideSecret  // dots in the place of letters
	hideFill    // of letters of SVG: none
	hideFaint   // or one that is not seen

	hidesOffscreen = hideMargin | hidePlace | hideClip | hideTransform
	hidesLetters   = hideLetters | hideSecret | hideFill | hideFaint // nothing else; until an element inside shows its own
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
	hide       hides // never ends inside the element, but of hidesLetters
	show       hides // said not to hide
	firm       hides // of both, what was said to be important
	visibility int8  // 0 unset, 1 visible, 2 hidden
	indent     int8  // text-indent: 0 unset, 1 none, 2 off-screen
	opacity    int16 // in thousandths; -1 unset
	size       int16 // font size in tenths of a pixel; 0 unset, -1 nothing
	fg, bg     colour
	inline     bool // display:inline: a block does not break the line
	breaks     bool // display:block
	pre        bool // white-space: pre, pre-line, pre-wrap
	bidi       bool // direction of writing turned
	cites      bool // a border on the left, as quotes have
	shadow     bool // letters have a shadow or an outline, which is seen where they are not
}

func newStyle() style { return style{fg: unset, bg: unset, opacity: -1} }

// any tells whether the style matters here.
func (s *style) any() bool { return *s != newStyle() }

// merge lays o over s.
func (s *style) merge(o *style) {
	kept := s.firm &^ o.firm
	hide, show := o.hide&^kept, o.show&^kept
	s.hide, s.show, s.firm = s.hide&^show|hide, s.show&^hide|show, s.firm|o.firm
	if o.visibility != 0 {
		s.visibility = o.visibility
	}
	if o.indent != 0 {
		s.indent = o.indent
	}
	if o.opacity >= 0 {
		s.opacity = o.opacity
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
	s.shadow = s.shadow || o.shadow
}

// say notes that a declaration hides the element by one way, or does not.
func (s *style) say(way hides, hidden, firm bool) {
	o := style{show: way, opacity: -1, fg: unset, bg: unset}
	if hidden {
		o.hide, o.show = way, 0
	}
	if firm {
		o.firm = way
	}
	kept := s.firm &^ o.firm
	hide, show := o.hide&^kept, o.show&^kept
	s.hide, s.show, s.firm = s.hide&^show|hide, s.show&^hide|show, s.firm|o.firm
}

// maxDeclarations bounds the declarations of one rule or attribute.
const maxDeclarations = 128

// css reads the declarations of a rule or a style attribute. url is called
// with the target of each url().
func (r *renderer) css(decl []byte, url func([]byte)) style {
	s := newStyle()
	decl = r.plainCSS(decl)
	b := boxed{svg: r.top().look.svg && r.top().tag != tagStyle}
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
		if name[0] == '-' && name[1] == '-' {
			r.vars.set(name, value)
			continue
		}
		if value = r.vars.resolve(value); len(value) == 0 {
			continue // as browsers do with what is not known
		}
		if url != nil && len(value) > 5 {
			cssURLs(value, url)
		}
		s.declare(&b, name, value)
	}
	b.settle(&s)
	return s
}

// cutDeclaration splits at the next ; that is not inside parentheses.
func cutDeclaration(b []byte) (d, rest []byte) {
	open := false // a bracket that never ends
	for i, c := range b {
		switch c {
		case ';':
			return b[:i], b[i+1:]
		case '(':
			// url(data:image/png;base64,...) holds semicolons.
			if open {
				continue
			}
			if j := bytes.IndexByte(b[i:], ')'); j < 0 {
				open = true
			} else {
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
