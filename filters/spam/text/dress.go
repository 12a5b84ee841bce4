package text

import "bytes"

// apply computes the look of an element from its parent's and its style.
func (l *look) apply(s *style) {
	l.hide = l.hide&^(s.show&hidesLetters) | s.hide
	if s.opacity >= 0 {
		l.opacity = int16(int(l.opacity) * int(s.opacity) / 1000)
	}
	if l.shadow = l.shadow || s.shadow; l.shadow {
		l.hide &^= hideFill | hideFaint
	}
	switch s.visibility {
	case 1:
		l.unseen = false
	case 2:
		l.unseen = true
	}
	switch s.indent {
	case 1:
		l.far = false
	case 2:
		l.far = true
	}
	if s.size != 0 {
		l.size = s.size
		l.tiny = s.size <= 10
	}
	switch {
	case s.fg != unset && s.fg != inherit:
		l.fg = s.fg
	}
	switch s.bg {
	case unset, clear_, inherit:
	default:
		l.bg = s.bg
	}
	l.pre = l.pre || s.pre
}

// dress finds the style of an element: the rules of sheets, attributes of
// presentation, the style attribute.
func (r *renderer) dress(e *element) {
	var inline style
	styled := false
	sh := &r.p.Shape
	r.byItself(e)
	if r.sheet.tags || r.sheet.deep {
		hash := hashFold(r.s.name)
		if r.sheet.tags {
			r.byTag(e, hash)
		}
		if e.names.tag = hash; e.tag == tagHTML {
			e.names.tag = hashHTML
		}
		e.names.on = r.sheet.deep
	}
	for i := range r.s.attrs[:r.s.n] {
		a := &r.s.attrs[i]
		switch attrOf(a.name) {
		case attrStyle:
			sh.Inline++
			inline = r.css(r.value(a.value), r.styleURL)
			styled = true
		case attrClass:
			sh.Classes++
			r.classes(e, a.value)
		case attrID:
			r.byName(e, '#', trimSpace(a.value))
			e.names.add('#', trimSpace(a.value))
			e.look.quote = e.look.quote || quotes(trimSpace(a.value))
		case attrBgcolor:
			e.style.bg = attrColour(a.value)
		case attrBackground:
			e.style.bg = unknown
			r.link(Background, a.value)
		case attrColor, attrText:
			if e.tag == tagFont || e.tag == tagHTML {
				e.style.fg = attrColour(a.value)
			}
		case attrSize:
			if e.tag == tagFont {
				e.style.size = fontSize([]byte("medium"))
			}
		case attrHidden:
			e.style.say(hideDisplay, true, false)
		case attrAlign:
			if equalFold(trimSpace(a.value), "center") {
				sh.Centers++
			}
		case attrEvent:
			sh.Handlers++
			r.script(r.value(a.value))
		}
	}
	if r.sheet.deep {
		r.byConditions(e)
	}
	r.cascade(e)
	if s := &e.style; s.opacity >= 0 && s.opacity < leastOpacity || s.hide&^hideOutlook != 0 || s.visibility == 2 || s.indent == 2 || s.size != 0 && s.size <= 10 {
		e.look.sheet = e.look.sheet || len(r.sheet.rules) > 0
	}
	if styled {
		e.style.merge(&inline)
	}
	if e.tag == tagA && e.style.fg == unset && r.attribute("href") != nil {
		e.style.fg = linkColour
	}
	if e.tag == tagBlockquote && (r.attribute("cite") != nil || equalFold(r.attribute("type"), "cite") || e.style.cites) {
		e.look.quote = true
	}
	if e.tag == tagPre || e.tag == tagTextarea {
		e.style.pre = true
	}
}

// byItself gives an element the style that browsers do, and SVG's attributes: they
// are declarations.
func (r *renderer) byItself(e *element) {
	if e.tag == tagDatalist || e.tag == tagDialog && r.attribute("open") == nil {
		e.style.say(hideDisplay, true, false)
	}
	if !e.look.svg && e.tag != tagSvg {
		return
	}
	if equalFold(r.s.name, "desc") || equalFold(r.s.name, "metadata") {
		e.style.say(hideDisplay, true, true)
	}
	b := boxed{svg: true, clipped: e.tag == tagSvg}
	for i := range r.s.attrs[:r.s.n] {
		a := &r.s.attrs[i]
		if value := r.value(a.value); len(value) > 0 {
			e.style.declare(&b, a.name, value)
		}
	}
	b.settle(&e.style)
}

// linkColour is that of links which say nothing else: they do not have the
// colour of the text around them.
const linkColour colour = 0x0000ee

// classes applies the rules of each class.
func (r *renderer) classes(e *element, v []byte) {
	for range 32 {
		v = trimSpace(v)
		if len(v) == 0 {
			return
		}
		n := 0
		for n < len(v) && class[v[n]]&white == 0 {
			n++
		}
		r.byName(e, '.', v[:n])
		e.names.add('.', v[:n])
		e.look.quote = e.look.quote || quotes(v[:n])
		v = v[n:]
	}
}

// quotes knows the classes and names that programs give to cited mail.
func quotes(name []byte) bool {
	if len(name) < 8 {
		return false
	}
	switch string(name) {
	case "gmail_quote", "gmail_quote_container", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "zmail_extra", "tutanota_quote",
		"OLK_SRC_BODY_SECTION", "divRplyFwdMsg", "gmail_attr":
		return true
	}
	return false
}

// countHidden counts what else style can do to letters.
func (r *renderer) countHidden(e *element) {
	sh := &r.p.Shape
	s := &e.style
	if s.bidi {
		sh.BidiOverride++
	}
	if s.size > 10 && s.size <= 65 {
		sh.SmallFonts++
	}
	if s.hide&hideOutlook != 0 {
		sh.HideOutlook++
	}
}

// attribute gives the value of the named attribute, nil without.
func (r *renderer) attribute(name string) []byte {
	for i := range r.s.attrs[:r.s.n] {
		if a := &r.s.attrs[i]; equalFold(a.name, name) {
			if a.value == nil {
				return []byte{}
			}
			return trimSpace(a.value)
		}
	}
	return nil
}

// attrName is an attribute that dress looks at.
type attrName uint8

const (
	attrOther attrName = iota
	attrStyle
	attrClass
	attrID
	attrBgcolor
	attrBackground
	attrColor
	attrText
	attrHidden
	attrAlign
	attrSize
	attrEvent
)

func attrOf(name []byte) attrName {
	if len(name) < 2 || len(name) > 20 {
		return attrOther
	}
	switch name[0] | 0x20 {
	case 's':
		if equalFold(name, "style") {
			return attrStyle
		}
		if equalFold(name, "size") {
			return attrSize
		}
	case 'c':
		if equalFold(name, "class") {
			return attrClass
		}
		if equalFold(name, "color") {
			return attrColor
		}
	case 'i':
		if equalFold(name, "id") {
			return attrID
		}
	case 'b':
		if equalFold(name, "bgcolor") {
			return attrBgcolor
		}
		if equalFold(name, "background") {
			return attrBackground
		}
	case 't':
		if equalFold(name, "text") {
			return attrText
		}
	case 'h':
		if equalFold(name, "hidden") {
			return attrHidden
		}
	case 'p':
		if equalFold(name, "popover") {
			return attrHidden
		}
	case 'a':
		if equalFold(name, "align") {
			return attrAlign
		}
	case 'o':
		if len(name) > 4 && name[1]|0x20 == 'n' {
			return attrEvent
		}
	}
	return attrOther
}

// styleURL notes a url() of CSS.
func (r *renderer) styleURL(target []byte) { r.noteLink(Style, target) }

// link notes the target in an attribute's value.
func (r *renderer) link(k Kind, value []byte) int {
	if value == nil {
		return -1
	}
	return r.noteLink(k, r.value(value))
}

// noteLink adds a link; -1 when it is none, or there is no room.
func (r *renderer) noteLink(k Kind, target []byte) int {
	if len(target) == 0 || target[0] == '#' {
		return -1
	}
	sh := &r.p.Shape
	switch {
	case hasPrefixFold(target, "data:"):
		sh.DataURLs++
		sh.DataBytes += len(target)
		if k != Image {
			r.script(target)
		}
	case hasPrefixFold(target, "cid:"):
		sh.CIDs++
	case hasPrefixFold(target, "javascript:"), hasPrefixFold(target, "vbscript:"):
		sh.JSLinks++
		r.script(target)
	}
	return r.p.links.add(linkEntry{kind: k, hidden: r.top().look.unshown() && k != Style, quoted: r.top().look.quote}, dropControls(target))
}

// dropControls takes tabs and line ends out of a URL, as browsers do.
func dropControls(b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 && bytes.IndexByte(b, '\t') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c != '\n' && c != '\r' && c != '\t' {
			out = append(out, c)
		}
	}
	return out
}
