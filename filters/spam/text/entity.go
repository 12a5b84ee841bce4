package text

import (
	"html"
	"unicode/utf8"
)

const (
	// maxEntity is the longest name of a character reference, in octets.
	maxEntity = 32
	// maxRareEntities bounds, for a part, the named references that are not
	// among the common ones; the rest stays as written.
	maxRareEntities = 2048
)

// entity decodes the character reference at src[0] == '&' onto dst and gives
// how many octets it took; 0 when it is none.
func (r *renderer) entity(dst, src []byte, inAttr bool) ([]byte, int) {
	if len(src) < 3 {
		return dst, 0
	}
	if src[1] == '#' {
		return numeric(dst, src)
	}
	n := 1
	for n < len(src) && n < maxEntity && (isLetter(src[n]) || isDigit(src[n])) {
		n++
	}
	if n < 3 {
		return dst, 0
	}
	closed := n < len(src) && src[n] == ';'
	if closed || !inAttr {
		if c := commonEntity(src[1:n]); c != 0 && (closed || c < 0x100 && c != '\'') {
			if closed {
				n++
			}
			return utf8.AppendRune(dst, c), n
		}
	}
	if inAttr && !closed { // "&copy=1" in a URL is no reference
		if n < len(src) && src[n] == '=' {
			return dst, 0
		}
	}
	return r.rareEntity(dst, src[:n], closed, inAttr)
}

// rareEntity leaves the long list to the standard library.
func (r *renderer) rareEntity(dst, name []byte, closed, inAttr bool) ([]byte, int) {
	if r.rare >= maxRareEntities {
		return dst, 0
	}
	r.rare++
	n, in := len(name), string(name)
	if closed {
		in, n = in+";", n+1
	}
	out := html.UnescapeString(in)
	if out == in || inAttr && !closed && isPlainTail(out) {
		return dst, 0
	}
	return append(dst, out...), n
}

// isPlainTail tells that a reference was only the beginning of a name.
func isPlainTail(s string) bool { c := s[len(s)-1]; return isLetter(c) || isDigit(c) }

// numeric decodes &#65; and &#x41;, with or without the semicolon.
func numeric(dst, src []byte) ([]byte, int) {
	i, base := 2, rune(10)
	if src[2]|0x20 == 'x' {
		i, base = 3, 16
	}
	from, v := i, rune(0)
	for ; i < len(src); i++ {
		d := hexValue(src[i])
		if d < 0 || d >= base {
			break
		}
		if v = v*base + d; v > utf8.MaxRune {
			v = utf8.MaxRune + 1
		}
	}
	if i == from {
		return dst, 0
	}
	if i < len(src) && src[i] == ';' {
		i++
	}
	return utf8.AppendRune(dst, referred(v)), i
}

// referred corrects a number as the HTML standard says (section 13.2.5.80).
func referred(v rune) rune {
	switch {
	case v >= 0x80 && v <= 0x9f:
		return windows1252[v-0x80]
	case v == 0:
		return utf8.RuneError
	}
	return v
}

func hexValue(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// windows1252 is what the octets 80 to 9F stand for.
var windows1252 = [32]rune{
	0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
}

// commonEntity knows the references that mail is full of; 0 for the others.
func commonEntity(name []byte) rune {
	switch string(name) {
	case "nbsp":
		return 0xa0
	case "amp", "AMP":
		return '&'
	case "lt", "LT":
		return '<'
	case "gt", "GT":
		return '>'
	case "quot", "QUOT":
		return '"'
	case "copy":
		return 0xa9
	case "reg":
		return 0xae
	case "shy":
		return 0xad
	case "middot":
		return 0xb7
	case "laquo":
		return 0xab
	case "raquo":
		return 0xbb
	case "auml":
		return 0xe4
	case "ouml":
		return 0xf6
	case "uuml":
		return 0xfc
	case "Auml":
		return 0xc4
	case "Ouml":
		return 0xd6
	case "Uuml":
		return 0xdc
	case "szlig":
		return 0xdf
	case "eacute":
		return 0xe9
	case "egrave":
		return 0xe8
	case "agrave":
		return 0xe0
	case "aacute":
		return 0xe1
	case "iacute":
		return 0xed
	case "oacute":
		return 0xf3
	case "uacute":
		return 0xfa
	case "ntilde":
		return 0xf1
	case "ccedil":
		return 0xe7
	case "atilde":
		return 0xe3
	case "ecirc":
		return 0xea
	case "apos":
		return '\''
	case "zwnj":
		return 0x200c
	case "zwj":
		return 0x200d
	case "rsquo":
		return 0x2019
	case "lsquo":
		return 0x2018
	case "ldquo":
		return 0x201c
	case "rdquo":
		return 0x201d
	case "ndash":
		return 0x2013
	case "mdash":
		return 0x2014
	case "bull":
		return 0x2022
	case "hellip":
		return 0x2026
	case "trade":
		return 0x2122
	case "euro":
		return 0x20ac
	case "rarr":
		return 0x2192
	}
	return 0
}
