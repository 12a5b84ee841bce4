package link

import (
	"unicode"
	"unicode/utf8"
)

const (
	maxPhones    = 16
	maxPhoneText = 64 << 10 // octets of text in which numbers are looked for
	minDigits    = 8
	maxDigits    = 15 // ITU-T E.164
)

// Phones returns the telephone numbers in text, each once, up to sixteen: with
// a plus if the country's code was written or the number has the North American
// form, else as dialled in the country. Full-width and other digits, letters in
// the place of digits (1-8OO), dots, hyphens, slashes, blanks and brackets
// between them are read. Dates, amounts, addresses and card numbers are not.
func Phones(text []byte) []string {
	text = text[:min(len(text), maxPhoneText)]
	var list []string
	for i := 0; i < len(text) && len(list) < maxPhones; {
		c := text[i]
		if !isDigit(c) && c != '+' && c != '(' && c < utf8.RuneSelf {
			i++
			continue
		}
		if r, size := utf8.DecodeRune(text[i:]); r >= utf8.RuneSelf && digit(r) < 0 && r != '＋' && !separator(r) && !invisible(r) {
			i += size
			continue
		}
		var p phone
		n := p.scan(text, i)
		if n == 0 {
			_, size := utf8.DecodeRune(text[i:])
			i += size
			continue
		}
		if s := p.number(); s != "" && !contains(list, s) {
			list = append(list, s)
		}
		i += n
	}
	return list
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// phone is a candidate: digits in groups.
type phone struct {
	digits  [maxDigits + 5]byte
	n       int
	groups  [12]uint8 // digits in each
	dots    [12]bool  // a dot follows the group
	ng      int
	plus    bool
	bracket bool
	bad     bool
}

// scan reads a candidate at text[i] and returns how long it is.
func (p *phone) scan(text []byte, i int) int {
	if i > 0 {
		if r, _ := utf8.DecodeLastRune(text[:i]); unicode.IsLetter(r) || digit(r) >= 0 || r == '$' || r == '€' || r == '£' || r == '#' || r == '=' || r == '/' || r == '_' || r == '@' || r == '.' || r == ',' {
			p.bad = true
		}
	}
	at, end, inGroup := i, i, false
	gap := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		d := digit(r)
		if d < 0 && p.n > 0 && (inGroup || r == 'O') && (r == 'O' || r == 'o' || r == 'l' || r == 'I') && p.digitNear(text, at+size) {
			d = map[rune]int{'O': 0, 'o': 0, 'l': 1, 'I': 1}[r]
		}
		switch {
		case d >= 0:
			if p.n == len(p.digits) {
				p.bad = true
				return at + size - i
			}
			if !inGroup {
				if p.ng == len(p.groups) {
					p.bad = true
					return at - i
				}
				p.ng++
			}
			inGroup, gap = true, 0
			p.groups[p.ng-1]++
			p.digits[p.n] = byte('0' + d)
			p.n++
			end = at + size
		case r == '+' || r == '＋':
			if p.n > 0 || p.plus {
				return p.closed(text, i, end, at)
			}
			p.plus = true
		case invisible(r):
		case separator(r):
			inGroup = false
			if gap++; gap > 3 {
				return p.closed(text, i, end, at)
			}
			if r == '(' || r == ')' {
				p.bracket = true
			} else if p.ng > 0 {
				p.dots[p.ng-1] = r == '.'
			}
		default:
			return p.closed(text, i, end, at)
		}
		at += size
	}
	return p.closed(text, i, end, at)
}

// closed ends a candidate: a letter at its heels makes it none.
func (p *phone) closed(text []byte, start, end, at int) int {
	if p.n == 0 {
		return 0
	}
	if end < len(text) {
		r, _ := utf8.DecodeRune(text[end:])
		if unicode.IsLetter(r) || r == '_' || r == '@' || r == '%' || r == '=' {
			p.bad = true
		}
	}
	return max(end, start+1) - start
}

// digitNear reports whether a digit or such a letter follows.
func (p *phone) digitNear(text []byte, at int) bool {
	r, _ := utf8.DecodeRune(text[min(at, len(text)):])
	return digit(r) >= 0 || r == 'O' || r == 'o' || separator(r) && p.n < 4
}

func digit(r rune) int {
	switch {
	case '0' <= r && r <= '9':
		return int(r - '0')
	case r < utf8.RuneSelf:
		return -1
	case 0xff10 <= r && r <= 0xff19:
		return int(r - 0xff10)
	case 0x1d7ce <= r && r <= 0x1d7ff:
		return int(r-0x1d7ce) % 10
	case 0x660 <= r && r <= 0x669:
		return int(r - 0x660)
	case 0x6f0 <= r && r <= 0x6f9:
		return int(r - 0x6f0)
	case 0x966 <= r && r <= 0x96f:
		return int(r - 0x966)
	case 0x2460 <= r && r <= 0x2468:
		return int(r-0x2460) + 1
	}
	return -1
}

func separator(r rune) bool {
	switch r {
	case ' ', '-', '.', '(', ')', '/', 0xa0, '–', '—', '‑', '−', '‐', '‒', '•', '·', '~', '*', '_', 0x2009, 0x202f, 0x2007, 0x3000, '（', '）', '－', '．', '‧', '∙', '⁃', '[', ']', '{', '}':
		return true
	}
	return false
}

// number returns the candidate as a telephone number, or "" if it is none.
func (p *phone) number() string {
	if p.bad || p.n > maxDigits || p.n < minDigits || p.ng == 1 && !p.plus && !p.bracket || same(p.digits[:p.n]) {
		return ""
	}
	if !p.plus && (p.dated() || p.octets()) {
		return ""
	}
	d := string(p.digits[:p.n])
	switch {
	case p.plus:
		return international(d)
	case len(d) >= 11 && d[:2] == "00" && d[2] != '0' && p.ng > 1:
		return international(d[2:])
	case p.nanp(d):
		if len(d) == 10 {
			d = "1" + d
		}
		return "+" + d
	case d[0] == '0' && d[1] != '0' && len(d) >= 9 && len(d) <= 12 && p.ng > 1 && p.ng <= 6 && p.groups[0] <= 6:
		return d
	case p.free(d):
		return d
	case p.bracket && p.ng > 1 && p.ng <= 5 && len(d) >= 9 && p.groups[0] <= 4:
		return d
	}
	return ""
}

// free reports numbers as they are written in countries that dial no 0: free of
// charge in Australia and India (1800 123 456), China (400-123-4567), Italy and
// Spain (800 123 456), and mobile ones in China (138 0013 8000).
func (p *phone) free(d string) bool {
	if p.ng < 2 {
		return false
	}
	g := p.groups[:p.ng]
	switch len(d) {
	case 9:
		return (d[:3] == "800" || d[:3] == "900") && p.ng == 3 && g[0] == 3 && g[1] == 3 && !p.dots[0]
	case 10:
		return (d[:4] == "1800" || d[:4] == "1300") && g[0] == 4 || (d[:3] == "400" || d[:3] == "800") && p.ng == 3 && g[0] == 3
	case 11:
		return d[:4] == "1800" && g[0] == 4 || d[0] == '1' && d[1] >= '3' && p.ng == 3 && g[0] == 3 && g[1] == 4
	}
	return false
}

func international(d string) string {
	if d[0] == '0' {
		return ""
	}
	// +44 (0)20: the bracketed 0 is not dialled from abroad.
	for _, cc := range [...]string{"44", "49", "33", "31", "32", "41", "43", "39", "61", "46", "47", "45", "353"} {
		if len(d) > len(cc)+1 && d[:len(cc)] == cc && d[len(cc)] == '0' && cc != "39" {
			return "+" + cc + d[len(cc)+1:]
		}
	}
	return "+" + d
}

// nanp reports the North American form: an area and an exchange that begin with
// 2 to 9, written in groups of 3, 3 and 4.
func (p *phone) nanp(d string) bool {
	groups := p.groups
	g := groups[:p.ng]
	if len(d) == 11 {
		if d[0] != '1' {
			return false
		}
		d = d[1:]
		switch {
		case g[0] == 1:
			g = g[1:]
		case g[0] == 4:
			g[0] = 3
		default:
			return false
		}
	}
	if len(d) != 10 || d[0] < '2' || d[3] < '2' {
		return false
	}
	switch len(g) {
	case 3:
		return g[0] == 3 && g[1] == 3 && g[2] == 4
	case 2:
		return g[0] == 3 && g[1] == 7 && p.n == 11 || g[0] == 3 && p.bracket
	case 4:
		return p.n == 11 && !p.dots[1] || g[0] == 3 && g[1] == 3 && g[2] == 2
	case 5, 6, 7, 8, 9, 10: // s p a c e d out
		return !p.dots[1] && (p.n == 11 || g[0] == 1)
	}
	return false
}

// dated reports what begins with a day of our time: 01.05.2024 10, 2024-05-01 10.
func (p *phone) dated() bool {
	year := func(group, at int) bool {
		y := p.digits[at : at+2]
		return p.groups[group] == 4 && (y[0] == '1' && y[1] == '9' || y[0] == '2' && y[1] == '0')
	}
	return p.ng >= 3 && p.groups[0] <= 2 && p.groups[1] <= 2 && year(2, int(p.groups[0]+p.groups[1])) ||
		p.ng >= 3 && year(0, 0) && p.groups[1] <= 2 && p.groups[2] <= 2
}

// octets reports 192.168.100.200: four groups of three digits at most, dots between.
func (p *phone) octets() bool {
	return p.ng >= 4 && p.dots[0] && p.dots[1] && p.dots[2] && max(p.groups[0], p.groups[1], p.groups[2], p.groups[3]) <= 3
}

func same(d []byte) bool {
	for i := 1; i < len(d); i++ {
		if d[i] != d[0] {
			return false
		}
	}
	return true
}

// digitsOf returns the number of a tel: target: digits and a leading plus.
func digitsOf(s string) string {
	s = unescape(s)
	b := make([]byte, 0, 20)
	for _, r := range s {
		switch d := digit(r); {
		case d >= 0:
			b = append(b, byte('0'+d))
		case r == '+' && len(b) == 0:
			b = append(b, '+')
		case r == ';' || r == ',':
			return string(b)
		}
		if len(b) == 20 {
			break
		}
	}
	if string(b) == "+" {
		return ""
	}
	return string(b)
}
