package text

import "unicode/utf8"

// gap is the white space that is owed before the next letter.
type gap uint8

const (
	noGap gap = iota
	space
	line
)

// sink is a buffer with collapsed white space and a bound.
type sink struct {
	buf   []byte
	limit int
	start int // where this part began
	owed  gap
	full  bool
}

func (s *sink) reset(buf []byte) { *s = sink{buf: buf} }

func (s *sink) open(buf []byte, limit int) {
	*s = sink{buf: buf, limit: limit, start: len(buf)}
	if len(buf) > 0 {
		s.owed = line
	}
}

// rewind forgets what this part added.
func (s *sink) rewind() { s.open(s.buf[:s.start], s.limit) }

func (s *sink) gap(g gap) { s.owed = max(s.owed, g) }

// word appends octets without white space.
func (s *sink) word(b []byte) {
	if s.full {
		return
	}
	if len(s.buf)+len(b)+1 > s.limit {
		s.full = true
		b = trimPartial(b[:max(0, s.limit-len(s.buf)-1)])
	}
	if len(b) == 0 {
		return
	}
	s.pay()
	s.buf = append(s.buf, b...)
}

// pay writes the owed white space; none at the beginning.
func (s *sink) pay() {
	switch {
	case s.owed == noGap:
		return
	case len(s.buf) == 0:
	case s.owed == line:
		s.buf = append(s.buf, '\n')
	default:
		s.buf = append(s.buf, ' ')
	}
	s.owed = noGap
}

// filler tells what the character at the beginning of b is to white space: its
// length, 0 when it is nothing special, and whether it is a space (U+00A0) or
// nothing at all (zero-width characters, which count as text inside words).
func filler(b []byte) (n int, blank bool) {
	switch {
	case len(b) < 2:
	case b[0] == 0xc2:
		switch b[1] {
		case 0xa0: // no-break space
			return 2, true
		case 0xad: // soft hyphen
			return 2, false
		}
	case b[0] == 0xcd && b[1] == 0x8f: // combining grapheme joiner
		return 2, false
	case len(b) < 3:
	case b[0] == 0xe2 && b[1] == 0x80 && (b[2] >= 0x8b && b[2] <= 0x8f):
		return 3, false
	case b[0] == 0xe2 && b[1] == 0x81 && b[2] == 0xa0, b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf:
		return 3, false
	}
	return 0, false
}

// special appends the character at the beginning of b, one of those that
// class calls notPlain beyond ASCII, and gives its length. Fillers outside
// words are white space.
func (s *sink) special(b []byte) (n int, filled bool) {
	n, blank := filler(b)
	switch {
	case blank:
		s.gap(space)
		return n, false
	case n > 0 && (s.owed != noGap || len(s.buf) == 0):
		return n, true
	case n > 0:
		s.word(b[:n])
		return n, false
	}
	n = 1
	for n < len(b) && b[n]&0xc0 == 0x80 {
		n++
	}
	s.word(b[:n])
	return n, false
}

// trimPartial cuts an incomplete rune off the end.
func trimPartial(b []byte) []byte {
	for i := 1; i <= min(3, len(b)); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			return b
		}
	}
	return b
}

// linkList collects links whose strings share one allocation per part.
type linkList struct {
	arena   []byte
	entries []linkEntry
	done    int // entries published before
}

type linkEntry struct {
	target, text span
	kind         Kind
	hidden       bool
	image        bool
	quoted       bool
}

type span struct{ from, to int }

func (l *linkList) reset() { l.arena, l.entries, l.done = l.arena[:0], l.entries[:0], 0 }

func (l *linkList) keep(b []byte, limit int) span {
	from := len(l.arena)
	l.arena = append(l.arena, trimPartial(b[:min(len(b), limit)])...)
	return span{from, len(l.arena)}
}

// add notes a link; -1 when there is no room.
func (l *linkList) add(e linkEntry, target []byte) int {
	if len(l.entries) >= MaxLinks {
		return -1
	}
	limit := MaxTarget
	if hasPrefixFold(target, "data:") {
		limit = 64
	}
	e.target = l.keep(target, limit)
	l.entries = append(l.entries, e)
	return len(l.entries) - 1
}

// rewind forgets what this part added.
func (l *linkList) rewind() {
	l.arena, l.entries = l.arena[:0], l.entries[:l.done]
}

// publish turns the entries of this part into Links.
func (l *linkList) publish(links []Link) []Link {
	all := string(l.arena)
	for _, e := range l.entries[l.done:] {
		links = append(links, Link{
			Target: all[e.target.from:e.target.to], Text: all[e.text.from:e.text.to],
			Kind: e.kind, Hidden: e.hidden, Image: e.image, Quoted: e.quoted,
		})
	}
	l.done, l.arena = len(l.entries), l.arena[:0]
	return links
}
