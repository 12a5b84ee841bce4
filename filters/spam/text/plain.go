package text

import "bytes"

// Plain adds one part of plain text, in UTF-8. Lines that begin with > are
// Quoted.
func (p *Page) Plain(src []byte) {
	src = p.begin(src)
	p.Shape.PlainParts++
	for len(src) > 0 {
		l := src
		if i := bytes.IndexByte(src, '\n'); i >= 0 {
			l, src = src[:i], src[i+1:]
		} else {
			src = nil
		}
		out := &p.text
		if l = trimSpace(l); len(l) > 0 && l[0] == '>' {
			out = &p.quoted
			l = bytes.TrimLeft(l, "> \t")
		}
		out.plainLine(l)
		out.gap(line)
	}
	p.end()
}

// plainLine appends a line with its white space collapsed.
func (s *sink) plainLine(l []byte) {
	for len(l) > 0 && !s.full {
		n := 0
		for n < len(l) && l[n] > ' ' && (l[n] < 0x80 || class[l[n]]&notPlain == 0) {
			n++
		}
		if n > 0 {
			s.word(l[:n])
			l = l[n:]
		}
		if len(l) > 0 && l[0] >= 0x80 {
			n, _ := s.special(l)
			l = l[n:]
		}
		for len(l) > 0 && l[0] <= ' ' {
			if l[0] != 0 {
				s.gap(space)
			}
			l = l[1:]
		}
	}
}

// findURLs notes the URLs in the text that a part added to s: with a scheme,
// or beginning with www.
func (p *Page) findURLs(s *sink, hidden, quoted bool) {
	b := s.buf[s.start:]
	from := 0
	for from < len(b) {
		i, n := nextURL(b[from:])
		if i < 0 {
			return
		}
		u := b[from+i : from+i+n]
		if k := p.links.add(linkEntry{kind: Plain, hidden: hidden, quoted: quoted}, u); k >= 0 {
			p.links.entries[k].text = p.links.entries[k].target
		}
		from += i + n
	}
}

// nextURL finds where the next URL begins, and its length; -1 without.
func nextURL(b []byte) (at, n int) {
	for i, c := range b {
		if c != ':' && c != '.' {
			continue
		}
		start := -1
		if c == ':' {
			start = scheme(b, i)
		} else {
			start = www(b, i)
		}
		if start >= 0 {
			return start, urlLength(b[start:])
		}
	}
	return -1, 0
}

// scheme finds the beginning of "http://" whose colon is at i; -1.
func scheme(b []byte, i int) int {
	if i+3 >= len(b) || b[i+1] != '/' || b[i+2] != '/' || b[i+3] <= ' ' {
		return -1
	}
	start := i
	for start > 0 && i-start < 8 && isLetter(b[start-1]) {
		start--
	}
	if s := b[start:i]; equalFold(s, "http") || equalFold(s, "https") || equalFold(s, "ftp") || equalFold(s, "hxxp") || equalFold(s, "hxxps") {
		return start
	}
	return -1
}

// www finds the beginning of "www." at the beginning of a word, whose dot is
// at i and has a letter after it; -1.
func www(b []byte, i int) int {
	if i < 3 || i+1 >= len(b) || !equalFold(b[i-3:i], "www") || !isWordByte(b[i+1]) {
		return -1
	}
	if i > 3 && (isWordByte(b[i-4]) || bytes.IndexByte([]byte("./@-"), b[i-4]) >= 0) {
		return -1
	}
	return i - 3
}

// urlLength is of the URL at the beginning of b: to white space, quotes or
// brackets, without the punctuation of the sentence.
func urlLength(b []byte) int {
	n, parens := 0, 0
	for n < len(b) && n < MaxTarget {
		switch c := b[n]; {
		case c <= ' ', c == '<', c == '>', c == '"', c == '`', c == '|', c == '{', c == '}', c == 0x7f:
			return trimURL(b[:n])
		case c == '(':
			parens++
		case c == ')':
			if parens--; parens < 0 {
				return trimURL(b[:n])
			}
		case c == 0xc2 && n+1 < len(b) && b[n+1] == 0xa0:
			return trimURL(b[:n])
		}
		n++
	}
	return trimURL(b[:n])
}

func trimURL(b []byte) int {
	for len(b) > 1 && bytes.IndexByte([]byte(".,;:!?'*]"), b[len(b)-1]) >= 0 {
		b = b[:len(b)-1]
	}
	return len(b)
}
