package text

import (
	"bytes"
	"math"
)

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
	if ok && i+1 < len(b) && b[i]|0x20 == 'e' { // 1e-9px, but not 1em
		if e, rest, is := number(b[i+1:]); is {
			v *= math.Pow(10, max(-20, min(e, 20)))
			i = len(b) - len(rest)
		}
	}
	if neg {
		v = -v
	}
	return v, b[i:], ok
}

// share reads a number or percentage as a factor.
func share(b []byte) (v float64, ok bool) {
	b = trimSpace(b)
	v, ok = lengthOf(b, 1)
	return v, ok
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
	case hasPrefixFold(unit, "pc"), hasPrefixFold(unit, "em"), hasPrefixFold(unit, "rem"):
		return v * 16
	case hasPrefixFold(unit, "ex"), hasPrefixFold(unit, "ch"):
		return v * 8
	case hasPrefixFold(unit, "in"):
		return v * 96
	case hasPrefixFold(unit, "cm"):
		return v * 38
	case hasPrefixFold(unit, "mm"):
		return v * 3.8
	case hasPrefixFold(unit, "vw"), hasPrefixFold(unit, "vh"), hasPrefixFold(unit, "vmin"), hasPrefixFold(unit, "vmax"):
		return v * 10
	}
	return v
}

// lengthOf reads a length in pixels, or reckons one: calc(), min(), max() and
// clamp(). Percent is of whole.
func lengthOf(value []byte, whole float64) (px float64, ok bool) {
	value = trimSpace(value)
	if len(value) == 0 {
		return 0, false
	}
	if c := value[0]; isDigit(c) || c == '.' || c == '-' && len(value) > 1 && value[1] != 'w' || c == '+' {
		v, unit, ok := number(value)
		return pixels(v, unit, whole), ok
	}
	if bytes.IndexByte(value, '(') < 0 || len(value) > maxReckoned {
		return 0, false
	}
	k := reckoner{b: value, whole: whole}
	v := k.factor(0)
	return v, !k.bad && v-v == 0 // a number, and no endless one
}

const (
	maxReckoned = 256 // octets of what is reckoned
	maxNested   = 8   // brackets within brackets
)

// reckoner reckons what calc() says.
type reckoner struct {
	b     []byte
	whole float64
	bad   bool
}

func (k *reckoner) peek() byte {
	k.b = trimSpace(k.b)
	if len(k.b) == 0 {
		return 0
	}
	return k.b[0]
}

func (k *reckoner) sum(depth int) float64 {
	v := k.product(depth)
	for !k.bad {
		switch k.peek() {
		case '+':
			k.b = k.b[1:]
			v += k.product(depth)
		case '-':
			k.b = k.b[1:]
			v -= k.product(depth)
		default:
			return v
		}
	}
	return v
}

func (k *reckoner) product(depth int) float64 {
	v := k.factor(depth)
	for !k.bad {
		switch k.peek() {
		case '*':
			k.b = k.b[1:]
			v *= k.factor(depth)
		case '/':
			k.b = k.b[1:]
			if d := k.factor(depth); d != 0 {
				v /= d
			} else {
				k.bad = true
			}
		default:
			return v
		}
	}
	return v
}

// factor is a number, or what stands in brackets or in a function.
func (k *reckoner) factor(depth int) float64 {
	c := k.peek()
	if depth > maxNested || c == 0 {
		k.bad = true
		return 0
	}
	if isDigit(c) || c == '.' || (c == '-' || c == '+') && len(k.b) > 1 && (isDigit(k.b[1]) || k.b[1] == '.') {
		v, unit, ok := number(k.b)
		k.bad = k.bad || !ok
		n := 0
		for n < len(unit) && (isLetter(unit[n]) || unit[n] == '%') {
			n++
		}
		k.b = unit[n:]
		return pixels(v, unit[:n], k.whole)
	}
	i := bytes.IndexByte(k.b, '(')
	if i < 0 {
		k.bad = true
		return 0
	}
	name := trimSpace(k.b[:i])
	k.b = k.b[i+1:]
	v := k.sum(depth + 1)
	for n := 1; !k.bad && k.peek() == ','; n++ {
		k.b = k.b[1:]
		switch next := k.sum(depth + 1); {
		case equalFold(name, "min"), equalFold(name, "clamp") && n == 2:
			v = min(v, next)
		case equalFold(name, "max"), equalFold(name, "clamp") && n == 1:
			v = max(v, next)
		default:
			k.bad = true
		}
	}
	if k.peek() != ')' || len(name) > 0 && !equalFold(name, "calc") && !equalFold(name, "-webkit-calc") && !equalFold(name, "-moz-calc") &&
		!equalFold(name, "min") && !equalFold(name, "max") && !equalFold(name, "clamp") {
		k.bad = true
		return 0
	}
	k.b = k.b[1:]
	return v
}

// fontSize is in tenths of a pixel, -1 for nothing, 0 when it is no number.
func fontSize(value []byte) int16 {
	px, ok := lengthOf(value, 16)
	if !ok && namedSize(value) {
		px, ok = 16, true
	}
	if px *= 10; !ok || px < 0 && value[0] == '-' {
		return 0
	}
	switch {
	case px < 1:
		return -1
	case px > 30000:
		return 30000
	}
	return int16(px)
}

// namedSize knows the names of sizes, none of which is tiny.
func namedSize(value []byte) bool {
	for _, name := range [...]string{"small", "medium", "large", "initial", "x-small", "xx-small", "x-large", "xx-large", "xxx-large"} {
		if equalFold(value, name) {
			return true
		}
	}
	return false
}

// degrees reads an angle.
func degrees(b []byte) (d float64, ok bool) {
	d, unit, ok := number(trimSpace(b))
	switch {
	case hasPrefixFold(unit, "rad"):
		d *= 180 / math.Pi
	case hasPrefixFold(unit, "turn"):
		d *= 360
	case hasPrefixFold(unit, "grad"):
		d *= 0.9
	}
	return d, ok
}

// rightAngle tells whether what is turned by d degrees is seen from its edge.
func rightAngle(d float64) bool {
	d = math.Abs(math.Mod(d, 180))
	return d > 88 && d < 92
}

// maxLengths bounds the lengths in one function that are read.
const maxLengths = 16

// lengths reads the lengths in a function's brackets; percent is of 100 pixels.
func lengths(args []byte) (list [maxLengths]float64, n int) {
	for n < maxLengths {
		var one []byte
		if one, args = cutValue(args); len(one) == 0 || equalFold(one, "at") || equalFold(one, "round") {
			break
		}
		if v, ok := lengthOf(one, 100); ok {
			list[n] = v
			n++
		}
	}
	return list, n
}

// cutValue splits off the first word: up to white space or a comma that stand in
// no brackets.
func cutValue(b []byte) (word, rest []byte) {
	for len(b) > 0 && (class[b[0]]&white != 0 || b[0] == ',') {
		b = b[1:]
	}
	depth := 0
	for i, c := range b {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth <= 0 && (class[c]&white != 0 || c == ','):
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// functions calls f with each name(args) in a value.
func functions(value []byte, f func(name, args []byte)) {
	for range 8 {
		i := bytes.IndexByte(value, '(')
		if i < 0 {
			return
		}
		name := trimSpace(value[:i])
		if j := bytes.LastIndexAny(name, " ,\t\n"); j >= 0 {
			name = name[j+1:]
		}
		depth, end := 0, len(value)
		for j, c := range value[i:] {
			if c == '(' {
				depth++
			} else if c == ')' {
				if depth--; depth == 0 {
					end = i + j
					break
				}
			}
		}
		f(name, trimSpace(value[i+1:end]))
		if end == len(value) {
			return
		}
		value = value[end+1:]
	}
}
