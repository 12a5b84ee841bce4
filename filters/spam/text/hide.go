package text

import "bytes"

const (
	maxProperty = 24 // the longest name of a property that is looked at

	leastOpacity = 100  // in thousandths: nobody reads letters that are fainter
	farAway      = 500  // pixels off the upper or left edge
	veryFar      = 2000 // off any edge: wider than windows are
)

// declare takes one declaration in.
func (s *style) declare(b *boxed, name, value []byte) {
	var buf [maxProperty]byte
	if len(name) > maxProperty {
		return
	}
	for i, c := range name {
		buf[i] = lower(c)
	}
	firm := false
	if i := bytes.IndexByte(value, '!'); i >= 0 {
		firm = hasPrefixFold(trimSpace(value[i+1:]), "important")
		if value = trimSpace(value[:i]); len(value) == 0 {
			return
		}
	}
	switch prop := string(buf[:len(name)]); prop {
	case "display":
		s.display(value, firm)
	case "visibility":
		s.visibility = 1
		if equalFold(value, "hidden") || equalFold(value, "collapse") {
			s.visibility = 2
		}
	case "content-visibility":
		s.say(hideContent, equalFold(value, "hidden"), firm)
	case "opacity":
		if v, ok := share(value); ok {
			s.opacity = int16(1000 * max(0, min(v, 1)))
		}
	case "filter", "-ms-filter", "-webkit-filter":
		s.say(hideFilter, filtered(value), firm)
	case "font-size":
		s.size = fontSize(value)
	case "font":
		s.shortFont(value)
	case "zoom":
		if v, ok := share(value); ok {
			s.say(hideSpacing, v < 0.02, firm)
		}
	case "letter-spacing":
		if v, ok := lengthOf(value, 16); ok {
			s.say(hideLetters, v <= -6, firm)
		} else if equalFold(value, "normal") || equalFold(value, "initial") {
			s.say(hideLetters, false, firm)
		}
	case "-webkit-text-security":
		s.say(hideSecret, !equalFold(value, "none"), firm)
	case "color":
		if b.filled {
			break
		}
		if s.fg = colourOf(value); equalFold(value, "initial") {
			s.fg = 0
		}
	case "-webkit-text-fill-color":
		s.fg, b.filled = colourOf(value), true
	case "text-shadow":
		s.shadow = outlined(value)
	case "-webkit-text-stroke":
		n, k := lengths(value)
		s.shadow = outlined(value) && k > 0 && n[0] > 0
	case "background-color":
		s.bg = colourOf(value)
	case "background":
		s.bg = backgroundOf(value)
	case "background-image":
		if !equalFold(value, "none") {
			s.bg = unknown
		}
	case "background-clip", "-webkit-background-clip":
		b.cut = equalFold(value, "text")
	case "height", "block-size":
		b.size(value, sideHeight, firm)
	case "max-height", "max-block-size":
		b.size(value, sideMostHeight, firm)
	case "width", "inline-size":
		b.size(value, sideWidth, firm)
	case "max-width", "max-inline-size":
		b.size(value, sideMostWidth, firm)
	case "line-height":
		if v, ok := lengthOf(value, 100); ok {
			b.flat.say(sideLine, v >= 0 && v < 1)
			b.firm = b.firm || firm
		}
	case "min-height", "min-width":
		v, ok := lengthOf(value, 100)
		if prop == "min-height" {
			b.tall = ok && v > 2
		} else {
			b.wide = ok && v > 2
		}
	case "contain":
		b.clipped = b.clipped || containsFold(value, "paint") || containsFold(value, "strict") || containsFold(value, "content")
	case "overflow", "overflow-y", "overflow-x", "overflow-block", "overflow-inline":
		b.clipped = !equalFold(value, "visible") && !equalFold(value, "initial")
		b.open = !b.clipped
	case "white-space":
		s.pre = hasPrefixFold(value, "pre")
	case "unicode-bidi":
		s.bidi = containsFold(value, "override")
	case "border-left":
		s.cites = !hasPrefixFold(value, "0") && !hasPrefixFold(value, "none")
	case "mso-hide":
		s.say(hideOutlook, equalFold(value, "all"), firm)
	default:
		if !b.svg || !s.fill(b, prop, value, firm) {
			s.move(b, prop, value, firm)
		}
	}
}

// fill takes in declarations of how letters of SVG are filled.
func (s *style) fill(b *boxed, prop string, value []byte, firm bool) bool {
	switch prop {
	case "fill":
		s.say(hideFill, equalFold(value, "none") || colourOf(value) == clear_, firm)
	case "fill-opacity":
		if v, ok := share(value); ok {
			s.say(hideFaint, v*1000 < leastOpacity, firm)
		}
	case "stroke":
		s.shadow = outlined(value)
	default:
		return false
	}
	return true
}

// display takes the declaration of that name in; browsers pass over values that
// they do not know.
func (s *style) display(value []byte, firm bool) {
	switch {
	case equalFold(value, "none"):
		s.say(hideDisplay, true, firm)
	case hasPrefixFold(value, "table-column"):
		s.say(hideContent, true, firm)
	case hasPrefixFold(value, "inline"):
		s.say(hideDisplay|hideContent, false, firm)
		s.inline = true
	case hasPrefixFold(value, "block"), hasPrefixFold(value, "table"), hasPrefixFold(value, "flex"), hasPrefixFold(value, "grid"), hasPrefixFold(value, "flow"),
		hasPrefixFold(value, "list"), hasPrefixFold(value, "contents"), hasPrefixFold(value, "initial"), hasPrefixFold(value, "unset"), value[0] == '-':
		s.say(hideDisplay|hideContent, false, firm)
		s.breaks = equalFold(value, "block")
	}
}

// move takes in declarations that move, cut or turn a box.
func (s *style) move(b *boxed, prop string, value []byte, firm bool) {
	switch prop {
	case "position":
		b.placed = b.placed || equalFold(value, "absolute") || equalFold(value, "fixed") || equalFold(value, "relative")
		b.near = b.near || equalFold(value, "static")
		b.firm = b.firm || firm
	case "left", "inset", "inset-inline", "inset-inline-start":
		b.place(value, sideLeft, firm)
	case "right", "inset-inline-end":
		b.place(value, sideRight, firm)
	case "top", "inset-block", "inset-block-start":
		b.place(value, sideTop, firm)
	case "bottom", "inset-block-end":
		b.place(value, sideBottom, firm)
	case "margin-left", "margin-top", "margin", "margin-inline", "margin-inline-start", "margin-block", "margin-block-start":
		s.say(hideMargin, beyond(value, -900, veryFar), firm)
	case "padding-left", "padding-top", "padding", "padding-inline", "padding-inline-start", "padding-block", "padding-block-start":
		if beyond(value, -1e9, veryFar) {
			s.say(hideMargin, true, firm)
		}
	case "text-indent":
		s.indent = 1
		if beyond(value, -farAway, veryFar) {
			s.indent = 2
		}
		b.indented = len(value) > 3 && value[len(value)-1] == '%' && beyond(value, -100, 100)
	case "clip":
		b.far.say(sideClip, cutAway(value))
	case "clip-path", "-webkit-clip-path":
		s.say(hideClip, cutAway(value), firm)
	case "mask", "mask-image", "-webkit-mask", "-webkit-mask-image":
		s.say(hideMask, masked(value), firm)
	case "transform", "-webkit-transform", "-ms-transform", "-moz-transform", "-o-transform":
		s.say(hideTransform, transformed(value, b), firm)
	case "scale":
		s.say(hideTransform, shrinks(value), firm)
	case "translate":
		s.say(hideTransform, beyond(value, -veryFar, veryFar), firm)
	case "rotate":
		s.say(hideTransform, edgeOn(value, b), firm)
	case "backface-visibility", "-webkit-backface-visibility":
		b.backless = equalFold(value, "hidden")
	}
}

// beyond tells whether one of up to four lengths is at most low or at least
// high, in pixels.
func beyond(value []byte, low, high float64) bool {
	for range 4 {
		var one []byte
		if one, value = cutValue(value); len(one) == 0 {
			return false
		}
		if v, ok := lengthOf(one, 100); ok && (v <= low || v >= high) {
			return true
		}
	}
	return false
}

// filtered tells whether a filter leaves nothing to see.
func filtered(value []byte) (hidden bool) {
	if i := indexFold(value, "opacity="); i >= 0 { // of old Internet Explorers
		if v, _, ok := number(trimSpace(value[i+8:])); ok && v < leastOpacity/10 {
			return true
		}
	}
	functions(value, func(name, args []byte) {
		switch {
		case equalFold(name, "opacity"):
			v, ok := share(args)
			hidden = hidden || ok && v*1000 < leastOpacity
		case equalFold(name, "blur"):
			v, ok := lengthOf(args, 0)
			hidden = hidden || ok && v >= 10
		}
	})
	return hidden
}

// masked tells whether a mask lets nothing through: gradients of what is
// transparent alone.
func masked(value []byte) bool {
	through, hidden := false, false
	functions(value, func(name, args []byte) {
		if len(name) < 8 || !equalFold(name[len(name)-8:], "gradient") {
			through = true
		}
		for len(args) > 0 && !through {
			var one []byte
			one, args = cutValue(args)
			switch c := colourOf(one); c {
			case clear_:
				hidden = true
			case unset, unknown: // a place, a direction
			default:
				through = true
			}
		}
	})
	return hidden && !through
}

// outlined tells whether a shadow or an outline of letters is seen.
func outlined(value []byte) bool {
	for len(value) > 0 {
		var one []byte
		if one, value = cutValue(value); equalFold(one, "none") || colourOf(one) == clear_ {
			return false
		}
	}
	return true
}

// cutAway tells whether a shape to which an element is cut has no inside.
func cutAway(value []byte) (hidden bool) {
	functions(value, func(name, args []byte) {
		switch {
		case equalFold(name, "inset"):
			hidden = hidden || setIn(args)
		case equalFold(name, "circle"), equalFold(name, "ellipse"):
			n, k := lengths(args)
			hidden = hidden || k > 0 && n[0] < 1 || k > 1 && equalFold(name, "ellipse") && n[1] < 1
		case equalFold(name, "rect"):
			n, k := lengths(args)
			hidden = hidden || k == 4 && (n[1]-n[3] < 2 || n[2]-n[0] < 2)
		case equalFold(name, "xywh"):
			n, k := lengths(args)
			hidden = hidden || k == 4 && (n[2] < 1 || n[3] < 1)
		case equalFold(name, "polygon"):
			hidden = hidden || thin(args)
		}
	})
	return hidden
}

// setIn tells whether edges are set in so far that they meet.
func setIn(args []byte) bool {
	n, k := lengths(args)
	if k == 0 {
		return false
	}
	top, right := n[0], n[0]
	if k > 1 {
		right = n[1]
	}
	bottom, left := top, right
	if k > 2 {
		bottom = n[2]
	}
	if k > 3 {
		left = n[3]
	}
	if bytes.IndexByte(args, '%') >= 0 {
		return top+bottom >= 100 || left+right >= 100
	}
	return top+bottom >= veryFar || left+right >= veryFar
}

// thin tells whether a polygon has no inside.
func thin(args []byte) bool {
	n, k := lengths(args)
	if k < 6 || k%2 != 0 {
		return false
	}
	area := 0.0
	for i := 0; i < k; i += 2 {
		j := (i + 2) % k
		area += n[i]*n[j+1] - n[j]*n[i+1]
	}
	return area > -1 && area < 1
}

// transformed tells whether a transformation leaves nothing to see.
func transformed(value []byte, b *boxed) (hidden bool) {
	functions(value, func(name, args []byte) {
		n, k := lengths(args)
		switch {
		case hasPrefixFold(name, "scalez"):
		case hasPrefixFold(name, "scale"):
			hidden = hidden || shrinks(args)
		case equalFold(name, "rotatex"), equalFold(name, "rotatey"), equalFold(name, "rotate3d"):
			hidden = hidden || edgeOnBy(name, args, b)
		case hasPrefixFold(name, "skew"):
			d, ok := degrees(args)
			hidden = hidden || ok && rightAngle(d)
		case hasPrefixFold(name, "translate"):
			hidden = hidden || beyond(args, -veryFar, veryFar)
		case equalFold(name, "matrix") && k == 6:
			hidden = hidden || near0(n[0]*n[3]-n[1]*n[2]) || n[4] <= -veryFar || n[5] <= -veryFar
		case equalFold(name, "matrix3d") && k == 16:
			hidden = hidden || near0(n[0]*n[5]-n[1]*n[4])
		}
	})
	return hidden
}

func near0(x float64) bool { return x < 0.01 && x > -0.01 }

// shrinks tells whether one of up to two factors makes things too small to see.
func shrinks(value []byte) bool {
	for range 2 {
		var one []byte
		if one, value = cutValue(value); len(one) == 0 {
			return false
		}
		if v, ok := share(one); ok && v < 0.03 && v > -0.03 {
			return true
		}
	}
	return false
}

// edgeOn tells whether the property rotate turns an element out of sight.
func edgeOn(value []byte, b *boxed) bool {
	axis, rest := cutValue(value)
	switch {
	case equalFold(axis, "x"), equalFold(axis, "y"):
		return edgeOnBy([]byte("rotatex"), rest, b)
	case len(rest) > 0:
		return edgeOnBy([]byte("rotate3d"), value, b)
	}
	return false
}

func edgeOnBy(name, args []byte, b *boxed) bool {
	if equalFold(name, "rotate3d") {
		var axis [3]float64
		for i := range axis {
			var one []byte
			one, args = cutValue(args)
			axis[i], _, _ = number(one)
		}
		if axis[0] == 0 && axis[1] == 0 {
			return false
		}
	}
	d, ok := degrees(args)
	if ok && rightAngle(d+90) {
		b.turned = true
	}
	return ok && rightAngle(d)
}

// shortFont takes the size out of a font shorthand: the first length in it.
func (s *style) shortFont(value []byte) {
	for range 8 {
		var w []byte
		if w, value = cutValue(value); len(w) == 0 {
			return
		}
		if i := bytes.IndexByte(w, '/'); i >= 0 && bytes.IndexByte(w, '(') < 0 {
			w = w[:i]
		}
		if len(w) == 0 {
			return
		}
		if isDigit(w[0]) || w[0] == '.' {
			if _, unit, ok := number(w); !ok || len(unit) == 0 && w[0] != '0' {
				continue // a weight
			}
		} else if bytes.IndexByte(w, '(') < 0 {
			continue
		}
		if size := fontSize(w); size != 0 {
			s.size = size
			return
		}
	}
}
