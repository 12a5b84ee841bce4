package message

import (
	"bytes"
	"io"
	"sync"
)

const (
	defaultWalkBuffer = 32 << 10 // octets read at a time
	minWalkBuffer     = 4 * maxBoundaryLine
	maxBoundary       = 1000 // octets of a boundary; RFC 2046 has 70
	maxBoundaryLine   = 2048 // octets of a delimiter line that are looked at
)

// delimiter is the boundary of a multipart that is being read.
type delimiter struct {
	boundary []byte
	closed   bool // its closing line was seen
}

// hit says why content ended.
type hit struct {
	level   int // of the multipart whose delimiter came; -1: end of input
	closing bool
}

// source reads content up to delimiter lines. Pieces that it gives out are
// parts of its buffer: valid, and open to change, until the next call.
type source struct {
	r          io.Reader
	buf        []byte
	start, end int
	eof        bool
	max        int   // that buf grows to
	err        error // other than io.EOF
	bol        bool  // buf[start] begins a line
	delims     []delimiter
	hit        hit
	loose      bool // a boundary's line may go on after it, and parts follow its closing

	// For who asks where things are (counting): the octets before buf[0], the
	// lines before start, and both at the end of the content.
	base, endAt     int64
	lines, endLines int64
	counting        bool
	delimAt         int64 // where the last delimiter line ended
	delimBreak      int   // and the length of its line break

	// What was seen that a loose reader takes for a delimiter line.
	longer, reopened, afterCR bool
}

// firstBuffers are the small buffers with which sources begin: most messages
// need no more.
var firstBuffers = sync.Pool{New: func() any { return new([minWalkBuffer]byte) }}

func newSource(r io.Reader, size int, loose bool) *source {
	return &source{r: r, buf: firstBuffers.Get().(*[minWalkBuffer]byte)[:], max: size, loose: loose, bol: true}
}

// release gives the buffer back; whatever s gave out is not valid any more.
func (s *source) release() {
	if len(s.buf) == minWalkBuffer {
		firstBuffers.Put((*[minWalkBuffer]byte)(s.buf))
	}
	s.buf = nil
}

// fill reads more; false at the end of input.
func (s *source) fill() bool {
	if s.eof {
		return false
	}
	if s.start > 0 {
		s.base += int64(s.start)
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) || s.end > len(s.buf)/2 && len(s.buf) < s.max {
		grown := make([]byte, min(2*len(s.buf), max(s.max, len(s.buf)+1)))
		copy(grown, s.buf[:s.end])
		s.release()
		s.buf = grown
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.err = err
			}
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	s.eof, s.err = true, io.ErrNoProgress
	return false
}

// next returns the next piece of content; nil means that it ended: s.hit says
// how, and the delimiter line is taken. The line break before a delimiter
// line belongs to it (RFC 2046 section 5.1.1).
func (s *source) next() []byte {
	for {
		w := s.buf[s.start:s.end]
		if len(s.delims) == 0 {
			if len(w) > 0 {
				return s.give(len(w))
			}
		} else if cut, n, ok := s.search(w); ok {
			if cut > 0 {
				return s.give(cut)
			}
			s.delimiter(n)
			s.bol = true
			return nil
		} else if cut > 0 {
			return s.give(cut)
		}
		if !s.fill() {
			if w := s.buf[s.start:s.end]; len(w) > 0 {
				// Held back for a delimiter line that will not come; one
				// without a line end may have.
				if cut, n, ok := s.search(w); ok && cut == 0 {
					s.delimiter(n)
					return nil
				} else if cut > 0 {
					return s.give(cut)
				}
				return s.give(len(w))
			}
			s.mark()
			s.hit = hit{level: -1}
			return nil
		}
	}
}

// at returns how many octets of the input were given or passed.
func (s *source) at() int64 { return s.base + int64(s.start) }

// mark notes that the content ends here.
func (s *source) mark() { s.endAt, s.endLines = s.at(), s.lines }

// delimiter takes n octets, the delimiter line that ends the content with the
// line break before it, which may be that of another delimiter line.
func (s *source) delimiter(n int) {
	s.mark()
	line := s.buf[s.start : s.start+n]
	if s.delimAt == s.endAt && s.delimBreak > 0 && line[0] == '-' { // it has no line break of its own before it
		s.endAt -= int64(s.delimBreak)
		s.endLines--
	}
	s.delimBreak = breakBefore(line)
	s.pass(n)
	s.delimAt = s.at()
}

// pass takes n octets that are no content.
func (s *source) pass(n int) {
	if s.counting {
		s.lines += int64(bytes.Count(s.buf[s.start:s.start+n], lineFeed))
	}
	s.start += n
}

var lineFeed = []byte("\n")

// stop ends the content at once.
func (s *source) stop() {
	s.start, s.end, s.eof, s.hit = 0, 0, true, hit{level: -1}
}

func (s *source) give(n int) []byte {
	p := s.buf[s.start : s.start+n : s.start+n]
	s.pass(n)
	s.bol = false
	return p
}

// search looks for a delimiter line in w. With found, content ends at cut and
// the line at n, and s.hit is set; without, w[:cut] is content.
func (s *source) search(w []byte) (cut, n int, found bool) {
	for p := 0; ; {
		i := bytes.IndexByte(w[p:], '-')
		if i < 0 {
			return len(w) - trailingBreak(w, s.eof), 0, false
		}
		p += i
		if p > 0 && w[p-1] == '\n' || p == 0 && s.bol {
			size, ok, more := s.line(w[p:])
			if ok || more {
				return p - breakBefore(w[:p]), p + size, ok
			}
		}
		p = s.lineEnd(w, p)
	}
}

// lineEnd returns where the line that p is in ends: a line has one place for
// a delimiter, so that many hyphens in it cost no more than one.
func (s *source) lineEnd(w []byte, p int) int {
	start := max(p-1, 0)
	i := bytes.IndexByte(w[p:], '\n')
	if i < 0 {
		i = len(w) - p
	}
	if !s.afterCR {
		if k := bytes.Index(w[start:p+i], []byte("\r--")); k >= 0 {
			s.afterCR = len(w) > start+k+3 && s.begins(w[start+k+1:])
		}
	}
	return p + i
}

// trailingBreak returns how much of the end of w may be the line break before
// a delimiter.
func trailingBreak(w []byte, eof bool) int {
	n := len(w)
	switch {
	case n == 0 || eof:
		return 0
	case w[n-1] == '\r':
		return 1
	case w[n-1] == '\n':
		return breakBefore(w)
	}
	return 0
}

// breakBefore returns the length of the line break at the end of w.
func breakBefore(w []byte) int {
	switch n := len(w); {
	case n == 0 || w[n-1] != '\n':
		return 0
	case n > 1 && w[n-2] == '\r':
		return 2
	}
	return 1
}

// begins tells whether w begins, as far as it goes, with a boundary.
func (s *source) begins(w []byte) bool {
	if len(w) < 2 {
		return len(w) == 1 && w[0] == '-'
	}
	w = w[2:]
	for i := range s.delims {
		b := s.delims[i].boundary
		n := min(len(b), len(w))
		if string(b[:n]) == string(w[:n]) {
			return true
		}
	}
	return false
}

// line tells whether w begins with a delimiter line of n octets, or whether
// more must be read to know it; it sets s.hit.
func (s *source) line(w []byte) (n int, ok, more bool) {
	if len(w) > 1 && w[1] != '-' {
		return 0, false, false
	}
	if !s.begins(w) {
		return 0, false, false
	}
	line := w[:min(len(w), maxBoundaryLine)]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	} else if len(line) < maxBoundaryLine && !s.eof {
		return 0, false, true
	}
	if len(line) < 2 {
		return 0, false, false
	}
	rest := bytes.TrimRight(line[2:], " \t\r\n")
	best := -1
	for i := len(s.delims) - 1; i >= 0; i-- {
		tail, has := bytes.CutPrefix(rest, s.delims[i].boundary)
		switch {
		case !has:
		case len(tail) == 0 || string(tail) == "--":
			if s.delims[i].closed && !s.loose {
				s.reopened = true
				continue
			}
			s.hit = hit{i, len(tail) > 0}
			return len(line), true, false
		case best < 0 || len(s.delims[i].boundary) > len(s.delims[best].boundary):
			best = i
		}
	}
	if best < 0 || s.delims[best].closed && !s.loose {
		return 0, false, false
	}
	s.longer = true
	if s.loose {
		tail := rest[len(s.delims[best].boundary):]
		s.hit = hit{best, bytes.HasPrefix(tail, []byte("--"))}
		return len(line), true, false
	}
	return 0, false, false
}

// headerEnd is how a header block ended.
type headerEnd uint8

const (
	atEmptyLine headerEnd = iota
	atDelimiter           // s.hit is set
	atText                // the body begins without an empty line
)

// header reads a header block into dst, up to limit octets of it; what is
// longer is passed over.
func (s *source) header(dst []byte, limit int, r ReadingName) (_ []byte, how headerEnd, over bool) {
	s.bol = true
	for {
		w := s.buf[s.start:s.end]
		i := bytes.IndexByte(w, '\n')
		if i < 0 && len(w) < maxBoundaryLine && s.fill() {
			continue
		}
		if w = s.buf[s.start:s.end]; len(w) == 0 {
			s.mark()
			s.hit = hit{level: -1}
			return dst, atDelimiter, over
		}
		line := w
		if i >= 0 {
			line = w[:i+1]
		}
		if s.bol {
			switch how, done := s.headerLine(line[:min(len(line), maxBoundaryLine)], len(dst) == 0, r); {
			case done && how == atEmptyLine:
				s.pass(len(line))
				s.bol = true
				return dst, how, over
			case done:
				return dst, how, over
			}
		}
		room := max(limit-len(dst), 0) // however the input comes in pieces
		dst, over = append(dst, line[:min(len(line), room)]...), over || len(line) > room
		s.pass(len(line))
		s.bol = i >= 0
	}
}

// headerLine looks at the beginning of a header line.
func (s *source) headerLine(line []byte, first bool, r ReadingName) (headerEnd, bool) {
	if emptyLine(line) {
		return atEmptyLine, true
	}
	if line[0] == '-' && len(s.delims) > 0 {
		eof := s.eof
		s.eof = true // what is there of the line is enough
		n, ok, _ := s.line(line)
		s.eof = eof
		if ok {
			s.delimiter(n)
			return atDelimiter, true
		}
	}
	if r == Loose && len(bytes.Trim(line, " \t\r\n")) == 0 {
		return atEmptyLine, true
	}
	// A part whose first line is no field has no header; later lines of that
	// kind are passed over, though not by strict readers.
	if (first && r != wholeHeader || r == Strict) && !isWSP(line[0]) && !mboxLine(line) {
		if _, _, ok := fieldName(line); !ok {
			return atText, true
		}
	}
	return 0, false
}
