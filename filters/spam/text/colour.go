package text

import "bytes"

// namedColour knows the names that mail uses; others are unknown.
func namedColour(name []byte) colour {
	var buf [16]byte
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
	case hasPrefixFold(v, "hsl"), hasPrefixFold(v, "var("):
		return unknown
	}
	return namedColour(v)
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
		if hexValue(h[6]) == 0 && h[7] < '6' {
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
	v = v[i+1:]
	var n [4]float64
	got := 0
	for got < 4 {
		v = bytes.TrimLeft(v, " ,/\t\n")
		x, unit, ok := number(v)
		if !ok {
			break
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
	case got == 4 && n[3] < 0.06:
		return clear_
	}
	return colour(n[0])<<16 | colour(n[1])<<8 | colour(n[2])
}

// backgroundOf finds the colour in a background shorthand.
func backgroundOf(v []byte) colour {
	if containsFold(v, "url(") || containsFold(v, "gradient(") {
		return unknown
	}
	if containsFold(v, "rgb") {
		return rgbColour(v)
	}
	for _, w := range bytes.Fields(v) {
		if w[0] == '#' {
			return hexColour(w[1:])
		}
		if equalFold(w, "none") {
			return clear_
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
		return false
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
