package link

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lookAlike returns the brand whose word, or one that looks like it, the host
// has before its public suffix, if the domain is no brand's own. shown is the
// host with its internationalised labels decoded.
func (b *brands) lookAlike(domain, shown string) string {
	if b.owns(-1, domain) || official(domain) {
		return ""
	}
	suffix := strings.Count(domain, ".")
	labels := strings.Count(shown, ".") + 1 - suffix
	if !strings.Contains(domain, ".") {
		labels = 1
	}
	var buf [320]byte
	host := foldHost(buf[:0], shown, labels)
	for rest := host; len(rest) > 0; {
		label := rest
		if i := indexByte(rest, '.'); i >= 0 {
			label, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		i := b.inLabel(host, label)
		if i >= 0 && !b.owns(b.words[i].brand, domain) && (rest != nil || !Freemail(domain)) { // optusnet.com.au
			return b.list[b.words[i].brand].key
		}
	}
	return ""
}

// official reports domains under governments' and schools' suffixes, which not
// everyone may have.
func official(domain string) bool {
	_, suffix, _ := strings.Cut(domain, ".")
	for label := range strings.SplitSeq(suffix, ".") {
		switch label {
		case "gov", "gouv", "gob", "mil", "edu", "ac", "gub", "govt":
			return true
		}
	}
	return false
}

// foldHost appends the first labels of host, letters of other scripts as the
// ASCII ones that they look like.
func foldHost(dst []byte, host string, labels int) []byte {
	for _, r := range host {
		if r == '.' {
			if labels--; labels == 0 {
				break
			}
		}
		c := byte(r)
		if r >= utf8.RuneSelf {
			if unicode.Is(unicode.Mn, r) {
				continue
			}
			if c = fold(unicode.ToLower(r)); c == 0 {
				c = 0xff
			}
		}
		if c == '_' {
			c = '-'
		}
		dst = append(dst, c)
	}
	return dst
}

// inLabel returns the brand's word that label has, or -1. host is all of the
// host's own labels: words beside ambiguous ones are looked for there.
func (b *brands) inLabel(host, label []byte) int32 {
	if len(label) < 2 || b.plain[string(label)] {
		return -1
	}
	hyphens := false
	for rest := label; len(rest) > 0; {
		word := rest
		if i := indexByte(rest, '-'); i >= 0 {
			word, rest, hyphens = rest[:i], rest[i+1:], true
		} else {
			rest = nil
		}
		if i := b.token(host, word); i >= 0 {
			return i
		}
	}
	if hyphens {
		var buf [256]byte
		joined := buf[:0]
		for _, c := range label {
			if c != '-' {
				joined = append(joined, c)
			}
		}
		if i, ok := b.exact[string(joined)]; ok && len(joined) >= 4 && b.words[i].mode&ambiguous == 0 {
			return i
		}
		return b.contains(joined, true)
	}
	return -1
}

// token looks at one part between dots and hyphens.
func (b *brands) token(host, word []byte) int32 {
	if i, ok := b.exact[string(word)]; ok && (b.words[i].mode&ambiguous == 0 || b.baited(host, word)) {
		return i
	}
	if i := b.contains(word, false); i >= 0 {
		return i
	}
	if s := skeleton(word); s != nil {
		if i, ok := b.exact[string(s)]; ok && len(s) >= 4 {
			return i
		}
		if i := b.contains(s, false); i >= 0 {
			return i
		}
		word = s
	}
	return b.near(word)
}

// baited reports whether another part of the host is a lure's word.
func (b *brands) baited(host, word []byte) bool {
	start := 0
	for i := 0; i <= len(host); i++ {
		if i < len(host) && host[i] != '.' && host[i] != '-' {
			continue
		}
		if part := host[start:i]; string(part) != string(word) && b.baits[string(part)] {
			return true
		}
		start = i + 1
	}
	return false
}

// contains finds a word inside s: those that may be, and ambiguous ones if what
// is left is a lure's word. strict leaves the latter out.
func (b *brands) contains(s []byte, strict bool) int32 {
	for at := 0; at+4 < len(s)+1; at++ {
		for _, i := range b.starts[[4]byte(s[at:at+4])] {
			w := &b.words[i]
			end := at + len(w.text)
			if end > len(s) || string(s[at:end]) != w.text {
				continue
			}
			if w.mode&inside != 0 {
				return i
			}
			if !strict && (at == 0 && end < len(s) && b.baits[string(s[end:])] || at > 0 && end == len(s) && b.baits[string(s[:at])]) {
				return i
			}
		}
	}
	return -1
}

// skeleton returns s with digits and pairs as the letters they look like (0 is
// o, 1 is l, rn is m, vv is w), or nil if it has none.
func skeleton(s []byte) []byte {
	change, letters := false, false
	for i, c := range s {
		switch {
		case isDigit(c):
			change = change || digitLetter[c-'0'] != 0
		case c == 'r' && i+1 < len(s) && s[i+1] == 'n', c == 'v' && i+1 < len(s) && s[i+1] == 'v':
			change, letters = true, true
		default:
			letters = true
		}
	}
	if !change || !letters {
		return nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isDigit(c) && digitLetter[c-'0'] != 0:
			c = digitLetter[c-'0']
		case c == 'r' && i+1 < len(s) && s[i+1] == 'n':
			c = 'm'
			i++
		case c == 'v' && i+1 < len(s) && s[i+1] == 'v':
			c = 'w'
			i++
		}
		out = append(out, c)
	}
	return out
}

var digitLetter = [10]byte{0: 'o', 1: 'l', 3: 'e', 4: 'a', 5: 's', 6: 'b', 7: 't', 8: 'b', 9: 'g'}

func indexByte(s []byte, c byte) int {
	for i, x := range s {
		if x == c {
			return i
		}
	}
	return -1
}

// social are brands whose names stand in paths of everybody's pages.
const social = " facebook instagram whatsapp linkedin twitter tiktok telegram discord youtube google github gitlab wordpress mailchimp apple amazon microsoft adobe shopify "

// inPath returns the brand whose word or domain is a whole part of the path
// between slashes, as lures on other people's hosts have it.
func (b *brands) inPath(u *URL) string {
	path := u.Path[:min(len(u.Path), 256)]
	if len(path) < 5 || u.Flags.Any(Redirector|Tracker|Rewritten) || b.owns(-1, u.Domain) {
		return ""
	}
	for part := range strings.SplitSeq(path, "/") {
		if len(part) < 4 || len(part) > 40 {
			continue
		}
		var buf [40]byte
		s := buf[:0]
		dot := false
		for i := range len(part) {
			c := part[i]
			dot = dot || c == '.'
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			s = append(s, c)
		}
		if owners := b.own[string(s)]; dot && len(owners) > 0 {
			return b.list[owners[0]].key
		}
		if i, ok := b.exact[string(s)]; ok && b.words[i].mode&inside != 0 {
			if key := b.list[b.words[i].brand].key; !strings.Contains(social, " "+key+" ") {
				return key
			}
		}
	}
	return ""
}
