package text

import "bytes"

// meaning notes what an element is: links, counters, what it shows itself.
func (r *renderer) meaning(t tag, e *element) {
	sh := &r.p.Shape
	switch t {
	case tagA:
		r.anchorTag(e)
	case tagImg, tagImage:
		r.image()
	case tagArea:
		r.link(Area, r.attribute("href"))
	case tagBase:
		sh.Bases++
		r.link(Base, r.attribute("href"))
	case tagForm:
		sh.Forms++
		r.link(Form, r.attribute("action"))
	case tagInput, tagTextarea, tagSelect, tagButton:
		r.input(t)
	case tagMeta:
		r.meta()
	case tagLink:
		r.link(Sheet, r.attribute("href"))
	case tagScript:
		r.link(Script, r.attribute("src"))
		if e.look.svg {
			sh.SVGScript++
		}
	case tagIframe, tagFrame, tagEmbed:
		sh.Frames++
		r.link(Frame, r.attribute("src"))
		if doc := r.attribute("srcdoc"); doc != nil {
			r.script(doc)
		}
	case tagObject, tagApplet:
		sh.Frames++
		r.link(Frame, r.attribute("data"))
	case tagVideo, tagAudio, tagSource, tagTrack:
		r.link(Media, r.attribute("src"))
	case tagSvg:
		sh.SVGs++
		e.look.svg = true
	case tagOther:
		if e.look.svg && equalFold(r.s.name, "foreignobject") {
			sh.SVGScript++
		}
	default:
		r.count(t)
	}
	if e.look.svg {
		r.svg(t)
	}
}

// count is of elements that only count.
func (r *renderer) count(t tag) {
	sh := &r.p.Shape
	switch t {
	case tagDiv:
		sh.Divs++
	case tagSpan:
		sh.Spans++
	case tagFont:
		sh.Fonts++
	case tagP:
		sh.Paras++
	case tagBr:
		sh.Breaks++
		r.breakLine(&r.top().look)
	case tagH1, tagH2, tagH3, tagH4, tagH5, tagH6:
		sh.Heads++
	case tagB, tagStrong:
		sh.Bolds++
	case tagCenter:
		sh.Centers++
	case tagUl, tagOl:
		sh.Lists++
	case tagTable:
		sh.Tables++
	case tagTd, tagTh:
		sh.Cells++
	case tagStyle:
		sh.Styles++
	}
}

// svg is of links and handlers inside <svg>.
func (r *renderer) svg(t tag) {
	for i := range r.s.attrs[:r.s.n] {
		a := &r.s.attrs[i]
		switch {
		case attrOf(a.name) == attrEvent:
			r.p.Shape.SVGScript++
		case equalFold(a.name, "xlink:href"), equalFold(a.name, "href") && (t == tagOther || t == tagImage || t == tagScript):
			k := Anchor
			if equalFold(r.s.name, "image") || t == tagImage {
				k = Image
			}
			if t == tagScript {
				k = Script
			}
			r.link(k, a.value)
		}
	}
}

// anchorTag opens an <a>.
func (r *renderer) anchorTag(e *element) {
	r.endAnchor()
	if r.attribute("download") != nil {
		r.p.Shape.Smuggle.Downloads++
	}
	href := r.attribute("href")
	if href == nil {
		return
	}
	r.p.Shape.Anchors++
	r.anchor = r.link(Anchor, href)
	if r.anchor < 0 {
		return
	}
	e.anchor = true
	r.p.links.entries[r.anchor].hidden = e.look.unshown()
	r.anchorSink = r.out
	r.anchorFrom, r.anchorHidden = len(r.out.buf), len(r.p.hidden.buf)
}

// endAnchor takes the text of the open anchor.
func (r *renderer) endAnchor() {
	if r.anchor < 0 {
		return
	}
	e := &r.p.links.entries[r.anchor]
	r.anchor = -1
	shown := trimSpace(r.anchorSink.buf[r.anchorFrom:])
	if hidden := trimSpace(r.p.hidden.buf[r.anchorHidden:]); len(shown) == 0 && len(hidden) > 0 {
		shown = hidden
		e.hidden = e.hidden || !e.image
	}
	if len(shown) > 0 {
		e.text = r.p.links.keep(shown, MaxLinkText)
	}
}

// image notes an <img>.
func (r *renderer) image() {
	sh := &r.p.Shape
	sh.Images++
	w, h := r.attribute("width"), r.attribute("height")
	dot := smallSide(w) && smallSide(h)
	if dot {
		sh.Pixels++
	}
	if r.anchor >= 0 && !dot {
		r.p.links.entries[r.anchor].image = true
	}
	i := r.link(Image, r.attribute("src"))
	if i < 0 {
		return
	}
	l := &r.p.links.entries[i]
	l.hidden = l.hidden || dot
	if alt := r.attribute("alt"); len(alt) > 0 {
		l.text = r.p.links.keep(r.value(alt), MaxLinkText)
	}
}

// smallSide knows 0, 1 and 2 pixels.
func smallSide(v []byte) bool {
	n, unit, ok := number(v)
	return ok && n <= 2 && (len(unit) == 0 || unit[0] != '%')
}

// input notes a field of a form; what is written on it is visible.
func (r *renderer) input(t tag) {
	sh := &r.p.Shape
	if a := r.attribute("formaction"); a != nil {
		r.link(Form, a)
	}
	if t == tagButton {
		sh.Buttons++
		return
	}
	kind := r.attribute("type")
	switch {
	case t == tagInput && equalFold(kind, "hidden"):
		return
	case equalFold(kind, "submit"), equalFold(kind, "button"), equalFold(kind, "reset"):
		sh.Buttons++
		r.written(r.attribute("value"))
		return
	case equalFold(kind, "image"):
		sh.Buttons++
		if i := r.link(Image, r.attribute("src")); i >= 0 && r.anchor >= 0 {
			r.p.links.entries[r.anchor].image = true
		}
		return
	case equalFold(kind, "password"):
		sh.Passwords++
	}
	sh.Inputs++
	r.written(r.attribute("placeholder"))
}

// written shows the value of an attribute as text.
func (r *renderer) written(v []byte) {
	if len(v) == 0 {
		return
	}
	out := r.out
	if r.gone {
		out = &r.p.hidden
	}
	out.gap(space)
	r.write(out, v, false)
	out.gap(space)
}

// meta knows the refresh that leads elsewhere.
func (r *renderer) meta() {
	if !equalFold(r.attribute("http-equiv"), "refresh") {
		return
	}
	r.p.Shape.Refresh++
	v := r.value(r.attribute("content"))
	if i := indexFold(v, "url"); i >= 0 {
		v = trimSpace(v[i+3:])
		if len(v) > 0 && v[0] == '=' {
			r.noteLink(Refresh, bytes.Trim(trimSpace(v[1:]), `"'`))
		}
	}
}
