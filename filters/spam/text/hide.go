package text

import "bytes"

// boxed are declarations that hide only together.
type boxed struct {
	flat, sized, clipped, open bool // no height or width; some; overflow that is not shown, or is
	placed, far, near          bool
	turned, backless           bool // seen from behind; which does not show
	firm                       bool
}

// settle says what the declarations do together.
func (b *boxed) settle(s *style) {
	if b.flat && b.clipped {
		s.say(hideBox, true, b.firm)
	} else if b.sized && !b.flat || b.open {
		s.say(hideBox, false, b.firm)
	}
	if b.far && b.placed {
		s.say(hidePlace, true, b.firm)
	} else if b.near && !b.far {
		s.say(hidePlace, false, b.firm)
	}
	if b.turned && b.backless {
		s.say(hideTransform, true, b.firm)
	}
}

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
			s.say(hideSpacing, v <= -6, firm)
		}
	case "color", "-webkit-text-fill-color":
		s.fg = colourOf(value)
	case "text-shadow":
		s.shadow = !equalFold(value, "none")
	case "background-color":
		s.bg = colourOf(value)
	case "background":
		s.bg = backgroundOf(value)
	case "background-image":
		if !equalFold(value, "none") {
			s.bg = unknown
		}
	case "height", "max-height", "width", "max-width", "line-height":
		if v, ok := lengthOf(value, 100); ok {
			b.flat = b.flat || v >= 0 && v < 1
			b.sized = b.sized || v >= 1 && prop != "line-height"
			b.firm = b.firm || firm
		} else {
			b.sized = b.sized || equalFold(value, "none") || equalFold(value, "auto")
		}
	case "overflow", "overflow-y", "overflow-x":
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
		s.move(b, prop, value, firm)
	}
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
	case "left", "top", "right", "bottom", "inset":
		away := beyond(value, -farAway, veryFar)
		b.far, b.near, b.firm = b.far || away, b.near || !away, b.firm || firm
	case "margin-left", "margin-top", "margin":
		s.say(hideMargin, beyond(value, -900, veryFar), firm)
	case "padding-left", "padding-top", "padding":
		if beyond(value, -1e9, veryFar) {
			s.say(hideMargin, true, firm)
		}
	case "text-indent":
		s.indent = 1
		if beyond(value, -farAway, veryFar) {
			s.indent = 2
		}
	case "clip":
		b.far = b.far || cutAway(value)
	case "clip-path", "-webkit-clip-path":
		s.say(hideClip, cutAway(value), firm)
	case "transform", "-webkit-transform", "-ms-transform":
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
