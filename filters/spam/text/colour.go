package text

import (
	"bytes"
	"math"
)

// namedColour knows the names that mail uses; others are unknown.
func namedColour(name []byte) colour {
	var buf [24]byte
	if len(name) > len(buf) {
		return unknown
	}
	for i, c := range name {
		buf[i] = lower(c)
	}
	switch string(buf[:len(name)]) {
	case "white":
		return 0xffffff
	case "black", "windowtext":
		return 0
	case "red":
		return 0xff0000
	case "green":
		return 0x008000
	case "blue":
		return 0x0000ff
	case "yellow":
		return 0xffff00
	case "gray", "grey":
		return 0x808080
	case "silver":
		return 0xc0c0c0
	case "maroon":
		return 0x800000
	case "navy":
		return 0x000080
	case "purple":
		return 0x800080
	case "teal":
		return 0x008080
	case "lime":
		return 0x00ff00
	case "aqua", "cyan":
		return 0x00ffff
	case "fuchsia", "magenta":
		return 0xff00ff
	case "olive":
		return 0x808000
	case "orange":
		return 0xffa500
	case "whitesmoke":
		return 0xf5f5f5
	case "snow":
		return 0xfffafa
	case "ivory":
		return 0xfffff0
	case "ghostwhite":
		return 0xf8f8ff
	case "floralwhite":
		return 0xfffaf0
	case "azure":
		return 0xf0ffff
	case "mintcream":
		return 0xf5fffa
	case "seashell":
		return 0xfff5ee
	case "lightgray", "lightgrey":
		return 0xd3d3d3
	case "gainsboro":
		return 0xdcdcdc
	case "darkgray", "darkgrey":
		return 0xa9a9a9
	case "transparent":
		return clear_
	case "inherit", "currentcolor", "unset":
		return inherit
	case "initial":
		return unset
	}
	if c, ok := otherColours[string(buf[:len(name)])]; ok {
		return c
	}
	return unknown
}

// colourOf reads a CSS colour.
func colourOf(v []byte) colour {
	v = trimSpace(v)
	switch {
	case len(v) == 0:
		return unset
	case v[0] == '#':
		return hexColour(v[1:])
	case hasPrefixFold(v, "rgb"):
		return rgbColour(v)
	case bytes.IndexByte(v, '(') > 0:
		return reckonedColour(v)
	}
	return namedColour(v)
}

// alphaClear is the alpha below which nobody reads letters.
const alphaClear = 0.1

// reckonedColour reads the ways of CSS Color 4 and 5 to write a colour. Those
// that are not understood are each a colour of its own, so that letters on a
// ground that is written the same are known to be alike.
func reckonedColour(v []byte) colour {
	i := bytes.IndexByte(v, '(')
	name := v[:i]
	args, _ := cutBracket(v[i+1:])
	if len(args) > maxReckoned { // colours within colours would be read again and again
		return unknown
	}
	if equalFold(name, "light-dark") {
		first, _ := cutValue(args)
		if len(first) < len(args) {
			return colourOf(first)
		}
		return unknown
	}
	if equalFold(name, "color-mix") {
		if c := mixed(args); c != unknown {
			return c
		}
	}
	if hasPrefixFold(args, "from ") {
		return relative(name, args[5:], ownColour-colour(hashFold(v)&0xffffff))
	}
	var n [4]float64
	space, k := []byte(nil), 0
	for k < 4 {
		var one []byte
		if one, args = cutValue(args); len(one) == 0 {
			break
		}
		switch {
		case len(one) == 1 && one[0] == '/':
			k = 3
			continue
		case k == 0 && space == nil && equalFold(name, "color"):
			space = one
			continue
		case k < 3 && bytes.IndexByte(one, '/') > 0:
			at := bytes.IndexByte(one, '/')
			n[k] = channel(one[:at])
			n[3], k = channel(one[at+1:]), 4
			continue
		}
		n[k] = channel(one)
		k++
	}
	switch {
	case k < 3, equalFold(name, "color-mix"), bytes.IndexByte(v[i+1:], '(') >= 0:
	case k == 4 && n[3] < alphaClear:
		return clear_
	case equalFold(name, "hsl"), equalFold(name, "hsla"):
		return hsl(n[0], n[1], n[2])
	case equalFold(name, "hwb"):
		white, black := n[1], n[2]
		if white+black >= 1 {
			return grey(white / (white + black))
		}
		if light := (1 + white - black) / 2; near0(1-white) || near0(1-black) {
			return grey(light)
		}
	case equalFold(name, "color") && (equalFold(space, "srgb") || equalFold(space, "display-p3")):
		return rgb(n[0], n[1], n[2])
	case equalFold(name, "lab"), equalFold(name, "lch"):
		if light := n[0]; light > 1 {
			return labGrey(light/100, n[1], n[2]*b2f(equalFold(name, "lab")), 8)
		}
		return labGrey(n[0], n[1], n[2]*b2f(equalFold(name, "lab")), 8)
	case equalFold(name, "oklab"), equalFold(name, "oklch"):
		return labGrey(n[0], n[1], n[2]*b2f(equalFold(name, "oklab")), 0.04)
	}
	return ownColour - colour(hashFold(v)&0xffffff)
}

// mixed reads what color-mix() mixes, in whatever space.
func mixed(args []byte) colour {
	_, args = cutSelector(args) // the space
	var of [2]colour
	part := [2]float64{-1, -1}
	for i := range of {
		var words []byte
		words, args = cutSelector(args)
		for range 2 {
			var one []byte
			if one, words = cutValue(words); len(one) > 0 && one[len(one)-1] == '%' {
				part[i], _ = share(one)
			} else if len(one) > 0 {
				of[i] = colourOf(one)
			}
		}
		if of[i] < 0 && of[i] != clear_ {
			return unknown
		}
	}
	if part[0] < 0 && part[1] < 0 {
		part[0] = 0.5
	}
	if part[0] < 0 {
		part[0] = 1 - part[1]
	} else if part[1] < 0 {
		part[1] = 1 - part[0]
	}
	sum := part[0] + part[1]
	if !(sum > 0) {
		return unknown
	}
	var mix [3]float64
	seen := 0.0
	for i, c := range of {
		if c == clear_ {
			continue
		}
		p := part[i] / sum
		seen += p
		for k := range mix {
			mix[k] += p * float64(c>>(16-8*k)&255) / 255
		}
	}
	if seen*min(sum, 1) < alphaClear {
		return clear_
	}
	return rgb(mix[0]/seen, mix[1]/seen, mix[2]/seen)
}

// relative reads a colour that is made from another one, if it is that one, or is
// clear; other ones are what is said of them.
func relative(name, args []byte, other colour) colour {
	from, args := cutValue(args)
	if i := bytes.LastIndexByte(args, '/'); i >= 0 {
		if v, ok := share(args[i+1:]); ok && v < alphaClear {
			return clear_
		}
		args = args[:i]
	}
	name = bytes.TrimPrefix(name, []byte("ok"))
	for _, c := range name[:min(len(name), 3)] {
		var one []byte
		if one, args = cutValue(args); len(one) != 1 || lower(one[0]) != lower(c) {
			return other
		}
	}
	return colourOf(from)
}

// ownColour and those below are colours that are not understood.
const ownColour colour = -16

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// channel reads a number or percentage, or an angle, of a colour.
func channel(b []byte) float64 {
	if equalFold(b, "none") {
		return 0
	}
	if v, unit, ok := number(b); ok && len(unit) > 0 && (unit[0]|0x20 == 'd' || unit[0]|0x20 == 'r' || unit[0]|0x20 == 't' || unit[0]|0x20 == 'g') && v != 0 {
		d, _ := degrees(b)
		return d
	}
	v, _ := lengthOf(b, 1)
	return v
}

// rgb is a colour of shares of one.
func rgb(r, g, b float64) colour {
	c := func(x float64) colour { return colour(255*max(0, min(x, 1)) + 0.5) }
	return c(r)<<16 | c(g)<<8 | c(b)
}

func grey(light float64) colour { return rgb(light, light, light) }

// labGrey knows the colours of lab and its like that are nearly grey: white
// and black are what hides.
func labGrey(light, a, b, most float64) colour {
	switch {
	case light >= 0.97:
		return 0xffffff
	case light <= 0.03:
		return 0
	case a < most && a > -most && b < most && b > -most:
		return grey(light)
	}
	return unknown
}

// hsl is a colour by hue in degrees, saturation and lightness.
func hsl(hue, saturation, light float64) colour {
	if saturation > 1 {
		saturation /= 100 // hsl(0 100 100)
	}
	if light > 1 {
		light /= 100
	}
	at := func(n float64) float64 {
		k := math.Mod(n+hue/30, 12)
		if k < 0 {
			k += 12
		}
		return light - saturation*min(light, 1-light)*max(-1, min(k-3, 9-k, 1))
	}
	return rgb(at(0), at(8), at(4))
}

// attrColour reads the colour of an HTML attribute, which may lack the #.
func attrColour(v []byte) colour {
	v = trimSpace(v)
	if len(v) == 0 {
		return unset
	}
	if c := colourOf(v); c != unknown {
		return c
	}
	if v[0] != '#' && len(v) == 6 {
		return hexColour(v)
	}
	return unknown
}

func hexColour(h []byte) colour {
	var v colour
	for _, c := range h[:min(len(h), 8)] {
		d := hexValue(c)
		if d < 0 {
			return unknown
		}
		v = v<<4&0x7fffffff | colour(d)
	}
	switch len(h) {
	case 3:
		return (v>>8)*0x110000 + (v>>4&15)*0x1100 + (v&15)*0x11
	case 4:
		if v&15 == 0 {
			return clear_
		}
		v >>= 4
		return (v>>8&15)*0x110000 + (v>>4&15)*0x1100 + (v&15)*0x11
	case 6:
		return v
	case 8:
		if hexValue(h[6]) == 0 || hexValue(h[6]) == 1 && h[7] < 'a' {
			return clear_
		}
		return hexColour(h[:6])
	}
	return unknown
}

// rgbColour reads rgb(1, 2, 3), rgba(1 2 3 / 0), percentages too.
func rgbColour(v []byte) colour {
	i := bytes.IndexByte(v, '(')
	if i < 0 {
		return unknown
	}
	whole := v
	v, _ = cutBracket(v[i+1:])
	var n [4]float64
	got := 0
	for got < 4 {
		v = bytes.TrimLeft(v, " ,/\t\n")
		x, unit, ok := number(v)
		if !ok {
			var one []byte
			if one, unit = cutValue(v); equalFold(one, "from") {
				return reckonedColour(whole)
			}
			if x, ok = lengthOf(one, 255); !ok && !equalFold(one, "none") {
				break
			}
		}
		if len(unit) > 0 && unit[0] == '%' {
			x, unit = x*2.55, unit[1:]
			if got == 3 {
				x /= 255
			}
		}
		n[got], v = max(0, min(x, 255)), unit
		got++
	}
	switch {
	case got < 3:
		return unknown
	case got == 4 && n[3] < alphaClear:
		return clear_
	}
	return colour(n[0])<<16 | colour(n[1])<<8 | colour(n[2])
}

// backgroundOf finds the colour in a background shorthand.
func backgroundOf(v []byte) colour {
	if containsFold(v, "url(") || containsFold(v, "gradient(") {
		return unknown
	}
	for range 8 {
		var w []byte
		if w, v = cutValue(v); len(w) == 0 {
			break
		}
		if w[0] == '#' {
			return hexColour(w[1:])
		}
		if equalFold(w, "none") {
			return clear_
		}
		if bytes.IndexByte(w, '(') > 0 {
			return colourOf(w)
		}
		if c := namedColour(w); c != unknown {
			return c
		}
	}
	return unknown
}

// sameColour allows each channel this much: nobody reads that.
const sameColour = 12

// alike tells whether letters of one colour vanish on the other.
func alike(a, b colour) bool {
	if a < 0 || b < 0 {
		return a == b && a <= ownColour
	}
	for range 3 {
		if d := a&255 - b&255; d > sameColour || d < -sameColour {
			return false
		}
		a >>= 8
		b >>= 8
	}
	return true
}
