package text

import "bytes"

// Squeezing takes out of a long part what shows nothing, so that as many octets
// as are looked at are octets that matter: white space, blanks written as
// references, comments, breaks of lines, the middle of long style sheets.
const (
	keptBlanks   = 16       // octets of a run of blanks that are kept
	keptComments = 64       // comments of a part
	keptBreaks   = 64       // breaks in a row
	keptComment  = 256      // octets: longer comments are not kept
	keptRaw      = 48 << 10 // octets of a style sheet or a script
	keptEnd      = 16       // octets at the end of what goes on: an end tag may begin there
)

// Squeezer squeezes a part, a piece at a time. Its zero value is ready.
type Squeezer struct {
	s        scanner
	comments int
	breaks   int // since the last letter
	raw      tag // element without markup that the next piece begins in
	less     bool
}

// Reset readies s for the next part.
func (s *Squeezer) Reset() { s.comments, s.breaks, s.raw, s.less = 0, 0, 0, false }

// Plain squeezes plain text in place and returns its length.
func (*Squeezer) Plain(b []byte) int { return squeezeBlanks(b, 0, b) }

// Wide squeezes UTF-16, of either order, in place and returns its length. In the
// other order its blanks are letters that no language has eight of in a row.
func (*Squeezer) Wide(b []byte) int {
	w, run := 0, 0
	for i := 0; i+1 < len(b); i += 2 {
		if run++; !wideBlank(b[i], b[i+1]) {
			run = 0
		}
		if run <= keptBlanks/2 {
			b[w], b[w+1] = b[i], b[i+1]
			w += 2
		}
	}
	return w + copy(b[w:], b[len(b)&^1:])
}

// wideBlank tells whether a unit of UTF-16 shows nothing, in one order or the
// other.
func wideBlank(x, y byte) bool {
	switch min(x, y) {
	case 0:
		z := max(x, y)
		return z <= ' ' || z == 0xa0 || z == 0xad
	case 0x0b, 0x0c, 0x0d, 0x0e, 0x0f:
		return max(x, y) == 0x20
	}
	return min(x, y) == 0xfe && max(x, y) == 0xff
}

// HTML squeezes a piece of HTML in place. It returns the length of what is
// left, and how much of that is done: the rest is the beginning of something
// whose end has not come.
func (s *Squeezer) HTML(b []byte) (length, done int) {
	s.s.reset(b)
	s.s.raw, s.raw = s.raw, 0
	w := 0
	defer func() {
		s.s.reset(nil)
		s.endsLess(b[:w])
	}()
	for {
		from, raw := s.s.pos, s.s.raw
		if from >= len(b) {
			s.raw = raw
			return w, w
		}
		kind := s.s.next()
		token := b[from:s.s.pos]
		if s.s.pos == len(b) && (kind != tokText || raw != 0) {
			s.raw = raw
			return w + s.unfinished(b, w, token, raw), w
		}
		switch kind {
		case tokComment:
			if s.comments++; s.comments > keptComments || len(token) > keptComment {
				if s.endsLess(b[:w]) { // which is text, and would begin a tag
					w += copy(b[w:], "<!>")
				}
				continue
			}
		case tokText:
			switch {
			case raw == tagStyle || raw == tagScript:
				token = cutMiddle(token)
			case s.s.pos == len(b) && token[len(token)-1] == '<': // the beginning of a tag, perhaps
				w = squeezeBlanks(b, w, token[:len(token)-1])
				b[w] = '<'
				return w + 1, w
			default:
				if n := squeezeBlanks(b, w, token); n > w {
					if n-w > keptBlanks || !isBlank(b[w:n]) {
						s.breaks = 0
					}
					w = n
				}
				continue
			}
		case tokStart, tokClose:
			if t := s.s.tag; t == tagBr || t == tagHr || t == tagWbr || t == tagP {
				if s.breaks++; s.breaks > keptBreaks && s.s.n == 0 {
					continue
				}
			}
		}
		w += copy(b[w:], token)
	}
}

// endsLess tells whether what is left so far, b of this piece, ends with <.
func (s *Squeezer) endsLess(b []byte) bool {
	if len(b) > 0 {
		s.less = b[len(b)-1] == '<'
	}
	return s.less
}

// unfinished keeps what has begun and not ended at b[w:].
func (s *Squeezer) unfinished(b []byte, w int, token []byte, raw tag) int {
	switch {
	case raw == 0 && bytes.HasPrefix(token, []byte("<!--")) && len(token) > keptComment:
		end := token[len(token)-keptEnd:]
		n := copy(b[w:], "<!-- ")
		return n + copy(b[w+n:], end)
	case raw == tagStyle || raw == tagScript:
		token = cutMiddle(token)
	}
	return copy(b[w:], token)
}

// cutMiddle takes the middle out of a long style sheet or script.
func cutMiddle(b []byte) []byte {
	if len(b) <= keptRaw {
		return b
	}
	n := copy(b[keptRaw-keptEnd:], b[len(b)-keptEnd:])
	return b[:keptRaw-keptEnd+n]
}

// squeezeBlanks copies src to b[w:], which is not behind it, with runs of blanks
// cut short, and returns where that ends.
func squeezeBlanks(b []byte, w int, src []byte) int {
	for i := 0; i < len(src); {
		n := blank(src[i:])
		if n == 0 {
			from := i
			for i++; i < len(src) && (notBlank[src[i]] || src[i] <= ' ' && i+1 < len(src) && notBlank[src[i+1]] || blank(src[i:]) == 0); i++ {
			}
			w += copy(b[w:], src[from:i])
			continue
		}
		from, lines := i, false
		for ; n > 0; n = blank(src[i:]) {
			lines = lines || i-from >= keptBlanks && src[i] == '\n'
			i += n
		}
		run := src[from:i]
		if len(run) <= keptBlanks {
			w += copy(b[w:], run)
			continue
		}
		for k := 0; k < keptBlanks; k += n { // whole ones
			n = blank(run)
			w += copy(b[w:], run[:n])
			run = run[n:]
		}
		if lines {
			b[w] = '\n'
			w++
		}
	}
	return w
}

func isBlank(b []byte) bool {
	for len(b) > 0 {
		n := blank(b)
		if n == 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

// notBlank has the octets with which no blank begins.
var notBlank = func() (t [256]bool) {
	for i := range t {
		t[i] = i > ' ' && i != '&' && i != 0xc2 && i != 0xcd && i != 0xe1 && i != 0xe2 && i != 0xe3 && i != 0xef
	}
	return t
}()

// isBlankRef knows the references to characters that show nothing.
func isBlankRef(b []byte) bool {
	switch string(b) {
	case "&nbsp;", "&#160;", "&#xa0;", "&#173;", "&shy;", "&zwnj;", "&zwj;", "&#8203;", "&#8204;", "&#8205;", "&#x200b;", "&#x200c;", "&#x200d;", "&#847;", "&#x34f;",
		"&#8199;", "&#x2007;", "&ensp;", "&emsp;", "&thinsp;", "&#65279;", "&#xfeff;", "&#8207;", "&lrm;", "&rlm;", "&#32;", "&#10;", "&#13;", "&#9;", "&Tab;", "&NewLine;", "&ZeroWidthSpace;":
		return true
	}
	return false
}

const longestBlankRef = 16

// blankRef is the length of the reference at the beginning of b to what shows
// nothing; 0 for none.
func blankRef(b []byte) int {
	end := bytes.IndexByte(b[:min(len(b), longestBlankRef)], ';')
	if end < len("&#9") {
		return 0
	}
	ref := b[:end+1]
	if isBlankRef(ref) {
		return len(ref)
	}
	if ref[1] != '#' || lower(ref[2]) != 'x' { // names have one case
		return 0
	}
	var buf [longestBlankRef]byte
	for i, c := range ref {
		buf[i] = lower(c)
	}
	if isBlankRef(buf[:len(ref)]) {
		return len(ref)
	}
	return 0
}

// blank is the length of what shows nothing at the beginning of b; 0 for none.
func blank(b []byte) int {
	if len(b) == 0 || notBlank[b[0]] {
		return 0
	}
	switch c := b[0]; {
	case c <= ' ':
		if c == 0x1b { // charsets change by it
			return 0
		}
		return 1
	case c == '&':
		return blankRef(b)
	case c == 0xe3:
		if len(b) > 2 && b[1] == 0x80 && b[2] == 0x80 {
			return 3
		}
		return 0
	case c == 0xe1:
		if len(b) > 2 && (b[1] == 0x85 && (b[2] == 0x9f || b[2] == 0xa0) || b[1] == 0xa0 && b[2] == 0x8e) {
			return 3
		}
		return 0
	case c == 0xe2 && len(b) > 2 && b[1] > 0x81 && b[1] != 0xa0: // blocks and the like
		return 0
	case c == 0xe2 && len(b) > 2 && (b[1] == 0x80 && (b[2] >= 0x80 && b[2] < 0x90 || b[2] == 0xa8 || b[2] == 0xa9 || b[2] == 0xaf) || b[1] == 0xa0 && b[2] == 0x80):
		return 3
	}
	n, _ := filler(b)
	return n
}
