package text

import "bytes"

// start opens the element that the scanner has found.
func (r *renderer) start() {
	sh := &r.p.Shape
	sh.Tags++
	sh.Attrs += r.s.n + r.s.more
	t := r.s.tag
	kind := tagKinds[t]
	if t == tagHTML || t == tagBody || t == tagHead {
		r.root(t)
		return
	}
	if t == tagOther {
		if bytes.IndexByte(r.s.name, ':') >= 0 {
			sh.VML++
		} else if !r.top().look.svg {
			sh.Unknown++
		}
	}
	r.implied(t, kind)
	up := r.top()
	counts := len(r.stack) > 1 || up.inside > 0 || !ofHead(t)
	if counts {
		up.inside++
	}
	e := element{tag: t, look: up.look, style: newStyle(), names: names{nth: up.inside}}
	if t == tagOther {
		e.hash = hashFold(r.s.name)
	}
	e.lines = kind&block != 0
	r.dress(&e)
	if counts && r.sheet.deep {
		r.note(&e.names)
	}
	e.look.apply(&e.style)
	e.look.tagHide = e.look.tagHide || kind&hiddenTag != 0
	if e.style.inline {
		e.lines = false
	}
	e.lines = e.lines || e.style.breaks
	r.countHidden(&e)
	if e.lines {
		r.breakLine(&e.look)
	}
	if kind&cell != 0 {
		r.out.gap(space)
		r.joint, r.single = false, 0
	} else if kind&void == 0 {
		r.single = 0
	}
	r.meaning(t, &e)
	if r.s.self && e.look.svg && t != tagSvg { // closed, as in XML
		r.s.raw = 0
		return
	}
	if kind&void != 0 {
		if e.lines {
			r.breakLine(&e.look)
		}
		return
	}
	r.push(e)
}

// ofHead tells of elements that browsers put into <head>.
func ofHead(t tag) bool {
	switch t {
	case tagTitle, tagStyle, tagMeta, tagLink, tagScript, tagBase:
		return true
	}
	return false
}

// root merges <html> and <body> into the page: their style is its ground.
func (r *renderer) root(t tag) {
	e := element{tag: tagHTML, look: r.stack[0].look, style: newStyle()}
	r.dress(&e)
	if t == tagHead {
		return
	}
	e.look.apply(&e.style)
	if len(r.stack) == 1 {
		r.stack[0].look = e.look
		r.stack[0].names.join(&e.names)
		r.choose()
	}
}

// push opens e.
func (r *renderer) push(e element) {
	if len(r.stack) >= maxDepth {
		r.over++
		return
	}
	r.stack = append(r.stack, e)
	if r.beside != nil {
		r.beside[len(r.stack)-1].n, r.beside[len(r.stack)-1].last = 0, 0
	}
	r.open[e.tag]++
	r.p.Shape.Depth = max(r.p.Shape.Depth, len(r.stack)-1)
	r.choose()
}

// choose finds the sink of the letters that follow.
func (r *renderer) choose() {
	l := &r.top().look
	r.gone = l.hidden()
	r.top().gone = r.gone
	r.out = &r.p.text
	if l.quote {
		r.out = &r.p.quoted
	}
}

// breakLine ends the line at the edge of an element that looks so. One that
// is not displayed breaks no visible line.
func (r *renderer) breakLine(l *look) {
	r.p.hidden.gap(line)
	if l.hide&hideDisplay != 0 {
		return
	}
	r.out.gap(line)
	r.joint, r.between = false, false
}

// implied closes what the start of t closes, as browsers do.
func (r *renderer) implied(t tag, kind tagKind) {
	if kind&closesP != 0 && r.open[tagP] > 0 {
		r.closeWithin(tagP)
	}
	if heading(t) && heading(r.top().tag) {
		r.popTo(len(r.stack)-1, true)
	}
	switch t {
	case tagLi:
		r.closeItem(tagLi, tagUl, tagOl)
	case tagDd, tagDt:
		r.closeItem(tagDd, tagDl, tagDl)
		r.closeItem(tagDt, tagDl, tagDl)
	case tagTd, tagTh:
		r.closeItem(tagTd, tagTable, tagTable)
		r.closeItem(tagTh, tagTable, tagTable)
	case tagTr:
		r.closeItem(tagTr, tagTable, tagTable)
	case tagTbody, tagThead, tagTfoot:
		r.closeItem(tagTbody, tagTable, tagTable)
		r.closeItem(tagThead, tagTable, tagTable)
		r.closeItem(tagTfoot, tagTable, tagTable)
	case tagOption, tagOptgroup:
		if r.top().tag == tagOption {
			r.pop()
		}
	case tagA:
		if r.open[tagA] > 0 {
			r.closeFormatting(tagA)
		}
	case tagButton:
		if r.open[tagButton] > 0 {
			r.closeItem(tagButton, tagTable, tagTable)
		}
	}
}

// closeItem closes t when it is open inside the nearest of two containers.
func (r *renderer) closeItem(t, in, or tag) {
	if r.open[t] == 0 {
		return
	}
	for i := len(r.stack) - 1; i > 0 && i > len(r.stack)-1-maxSearch; i-- {
		r.steps++
		switch r.stack[i].tag {
		case t:
			r.popTo(i, in != tagTable)
			return
		case in, or:
			return
		}
		if k := tagKinds[r.stack[i].tag]; in != tagTable && k&special != 0 && r.stack[i].tag != tagDiv && r.stack[i].tag != tagP && r.stack[i].tag != tagAddress {
			return
		}
	}
}

// maxSearch bounds how far an end tag looks for its element.
const maxSearch = 64

// close handles an end tag.
func (r *renderer) close() {
	t := r.s.tag
	kind := tagKinds[t]
	r.letters()
	switch {
	case t == tagP && r.open[tagP] == 0, t == tagBr:
		r.breakLine(&r.top().look) // </p> and </br> alone are an empty paragraph and <br>
		return
	case t == tagBody, t == tagHTML, t == tagHead, kind&void != 0:
		return
	case r.over > 0:
		r.over--
		return
	case heading(t):
		r.closeHeading()
	case r.open[t] == 0:
		r.p.Shape.Stray++
	case kind&formatting != 0:
		r.closeFormatting(t)
	case t == tagTable, t == tagTr, t == tagTd, t == tagTh, t == tagTbody, t == tagThead, t == tagTfoot, t == tagCaption:
		r.closeTable(t)
	case kind&special != 0:
		r.closeWithin(t)
	default:
		r.closeOther(t)
	}
}

// letters counts an element that held one letter.
func (r *renderer) letters() {
	if r.single == 1 {
		r.p.Shape.Letters++
	}
	r.single = 0
}

// closeWithin closes t when no scope is between.
func (r *renderer) closeWithin(t tag) {
	for i := len(r.stack) - 1; i > 0; i-- {
		r.steps++
		e := &r.stack[i]
		if e.tag == t {
			r.popTo(i, true)
			return
		}
		if tagKinds[e.tag]&scope != 0 || t == tagLi && (e.tag == tagUl || e.tag == tagOl) {
			return
		}
		if i <= len(r.stack)-maxSearch {
			return
		}
	}
}

func heading(t tag) bool { return t >= tagH1 && t <= tagH6 }

// closeHeading closes the nearest heading, whichever its level.
func (r *renderer) closeHeading() {
	for i := len(r.stack) - 1; i > 0 && i > len(r.stack)-1-maxSearch; i-- {
		r.steps++
		if e := &r.stack[i]; heading(e.tag) {
			r.popTo(i, true)
			return
		} else if tagKinds[e.tag]&scope != 0 {
			break
		}
	}
	r.p.Shape.Stray++
}

// closeTable closes t unless a table is between.
func (r *renderer) closeTable(t tag) {
	for i := len(r.stack) - 1; i > 0; i-- {
		r.steps++
		e := &r.stack[i]
		if e.tag == t {
			r.popTo(i, false)
			return
		}
		if e.tag == tagTable || i <= len(r.stack)-maxSearch {
			return
		}
	}
}

// closeOther closes an element without rules of its own, unless a special
// one is between.
func (r *renderer) closeOther(t tag) {
	var hash uint32
	if t == tagOther {
		hash = hashFold(r.s.name)
	}
	for i := len(r.stack) - 1; i > 0 && i > len(r.stack)-1-maxSearch; i-- {
		r.steps++
		e := &r.stack[i]
		if e.tag == t && e.hash == hash {
			r.popTo(i, true)
			return
		}
		if tagKinds[e.tag]&special != 0 {
			break
		}
	}
	r.p.Shape.Stray++
}

// closeFormatting takes the element out from between those inside it: the
// adoption agency, without its copies.
func (r *renderer) closeFormatting(t tag) {
	blocks := false // an element that ends only by its own end tag is inside
	for i := len(r.stack) - 1; i > 0 && i > len(r.stack)-1-maxSearch; i-- {
		r.steps++
		e := &r.stack[i]
		if e.tag == t {
			if blocks {
				r.remove(i)
			} else {
				r.popTo(i, true)
			}
			return
		}
		if k := tagKinds[e.tag]; k&scope != 0 {
			return
		} else if k&special != 0 {
			blocks = true
		}
	}
}

// remove ends the element at i and keeps those inside it open.
func (r *renderer) remove(i int) {
	if i == len(r.stack)-1 {
		r.pop()
		return
	}
	if r.stack[i].anchor {
		r.endAnchor()
	}
	r.open[r.stack[i].tag]--
	r.stack = append(r.stack[:i], r.stack[i+1:]...)
	for ; i < len(r.stack); i++ {
		r.steps++
		e := &r.stack[i]
		l := r.stack[i-1].look
		l.apply(&e.style)
		l.tagHide = l.tagHide || tagKinds[e.tag]&hiddenTag != 0
		l.quote = l.quote || e.look.quote
		l.svg = e.look.svg
		e.look = l
	}
	r.choose()
}

// popTo closes the element at i and all inside it. Formatting elements among
// those go on after it, when reopen says so.
func (r *renderer) popTo(i int, reopen bool) {
	var again [maxReopen]element
	n := 0
	if reopen {
		for _, e := range r.stack[i+1:] {
			if tagKinds[e.tag]&formatting != 0 && n < maxReopen {
				again[n] = e
				n++
			}
		}
	}
	for j := range r.stack[i:] {
		// An anchor that goes on keeps its link.
		if e := &r.stack[i+j]; e.anchor && reopen && j > 0 && n < maxReopen {
			e.anchor = false
		}
	}
	for len(r.stack) > i {
		r.pop()
	}
	for _, e := range again[:n] {
		l := r.top().look
		l.apply(&e.style)
		e.look = l
		r.push(e)
	}
}

// pop closes the innermost element.
func (r *renderer) pop() {
	e := r.top()
	if e.anchor {
		r.endAnchor()
	}
	if e.lines {
		r.breakLine(&e.look)
	} else if tagKinds[e.tag]&cell != 0 {
		r.out.gap(space)
	}
	r.open[e.tag]--
	r.stack = r.stack[:len(r.stack)-1]
	r.choose()
}

// hashFold is FNV-1a of b in lower case.
func hashFold(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(lower(c))) * 16777619
	}
	return h
}
