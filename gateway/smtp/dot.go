package smtp

import (
	"bytes"
	"fmt"
	"math"
	"unsafe"
)

// Treatment is what is done with something that a message must not have.
type Treatment uint8

const (
	// Refuse makes the message void.
	Refuse Treatment = iota
	// Repair makes it right: a bare CR or LF becomes CRLF, NUL a space.
	Repair
	// Allow lets it pass: NUL only, never a bare CR or LF.
	Allow
)

// Defect is the first thing found in a message that voids it.
type Defect uint8

const (
	NoDefect Defect = iota
	BareCR          // CR without LF after it (RFC 5321 section 2.3.8)
	BareLF          // LF without CR before it
	NUL             // RFC 5321 section 4.5.2, RFC 5322 section 4.1
	LongLine        // RFC 5321 section 4.5.3.1.6
)

// MaxTextLine is the length of a text line with its CRLF and without a
// stuffed dot that every receiver takes (RFC 5321 section 4.5.3.1.6).
const MaxTextLine = 1000

// TextScanner takes the transparency off message text that arrives in pieces
// of any size (RFC 5321 section 4.5.2), in strict form: a line ends with CRLF
// and nothing else, the text ends with CRLF.CRLF and nothing else, the CRLF
// of the DATA command being the first. It finds line ends with IndexByte and
// gives back parts of its input, nothing is copied. Once a defect is found no
// more text is given back, but the end is still found.
//
// The fields are set before the first call of Scan and not changed.
type TextScanner struct {
	Bare    Treatment // of bare CR and LF; Refuse or Repair
	Null    Treatment
	MaxLine int  // with CRLF, without a stuffed dot; 0: no bound
	Chunked bool // BDAT: no dots, no end of its own

	state  textState
	defect Defect
	col    int // octets of the current line so far, without CR
	slow   int // octets that go the slow way, so that repairs stay linear
}

type textState uint8

const (
	textLine     textState = iota // at the beginning of a line
	textDot                       // "." at the beginning, not given back
	textDotCR                     // ".\r" at the beginning, not given back
	textIn                        // within a line
	textCR                        // CR within a line, not given back yet
	textRepaired                  // after a repaired line end: a dot means nothing here
	textEnd
)

var crlf = []byte("\r\n")

// Done tells whether CRLF.CRLF, or Finish, has been reached.
func (s *TextScanner) Done() bool { return s.state == textEnd }

// Defect returns what voids the message, NoDefect while nothing does.
func (s *TextScanner) Defect() Defect { return s.defect }

// Scan takes the next octets from src and returns how many it took and a part
// of the text; one of both is not empty unless src is, or the end has been
// reached. The part is valid as long as src is; Null: Repair writes to src.
func (s *TextScanner) Scan(src []byte) (text []byte, n int) {
	if len(src) == 0 {
		return nil, 0
	}
	c := src[0]
	switch s.state {
	case textEnd:
		return nil, 0
	case textLine:
		s.col = 0
		if c == '.' && !s.Chunked {
			s.state = textDot
			return nil, 1
		}
	case textDot: // the dot goes, whatever follows (RFC 5321 section 4.5.2)
		if c == '\r' {
			s.state = textDotCR
			return nil, 1
		}
	case textDotCR:
		if c == '\n' {
			s.state = textEnd
			return nil, 1
		}
		if s.bareCR() {
			return crlf, 0
		}
	case textCR:
		if c == '\n' {
			s.state = textLine
			return s.give(crlf), 1
		}
		if s.bareCR() {
			return crlf, 0
		}
	}
	s.state = textIn
	if s.defect != NoDefect {
		return nil, s.skip(src)
	}
	if s.slow > 0 {
		text, n = s.slowly(src)
	} else {
		text, n = s.within(src)
	}
	return s.give(text), n
}

// Finish ends chunked text, and ends its last line where that is not.
func (s *TextScanner) Finish() (text []byte) {
	was := s.state
	if was == textCR {
		s.bareCR()
	}
	s.state = textEnd
	if was == textLine || was == textRepaired || was == textEnd {
		return nil
	}
	return s.give(crlf)
}

func (s *TextScanner) give(text []byte) []byte {
	if s.defect != NoDefect {
		return nil
	}
	return text
}

func (s *TextScanner) fail(d Defect) {
	if s.defect == NoDefect {
		s.defect = d
	}
}

// bareCR is called for a CR that was held back and that no LF follows; it
// tells whether a line end has to be given in its place.
func (s *TextScanner) bareCR() bool {
	s.col = 0
	if s.defect == NoDefect && s.Bare == Repair {
		s.state = textRepaired
		return true
	}
	s.fail(BareCR)
	s.state = textIn
	return false
}

// within goes through src line by line, as far as no dot is to be taken off.
func (s *TextScanner) within(src []byte) (text []byte, n int) {
	lines, col, over := 0, s.col, false
	clean := s.clean(src)
	if clean > 0 {
		s.col = 0
		if clean == len(src) || src[clean] == '.' && !s.Chunked {
			s.state = textLine
			return src[:clean], clean
		}
	}
	for i := clean; ; {
		j := bytes.IndexByte(src[i:], '\n')
		if j < 0 {
			text, n = s.tail(src, i), len(src)
			over = s.over(s.col)
			break
		}
		e := i + j // the LF
		if e == 0 || src[e-1] != '\r' {
			if s.Bare != Repair {
				s.fail(BareLF)
				return nil, i + s.skip(src[i:])
			}
			if e == 0 {
				s.state, s.col = textRepaired, 0
				return crlf, 1
			}
			s.col += j
			over = s.over(s.col)
			text, n = src[:e], e
			break
		}
		over = s.over(s.col + j - 1)
		lines++
		s.col = 0
		if i = e + 1; over || i == len(src) || src[i] == '.' && !s.Chunked {
			s.state = textLine
			text, n = src[:i], i
			break
		}
	}
	// One look at all CRs is faster than one in each line.
	if rest := text[min(clean, len(text)):]; bytes.Count(rest, crlf[:1]) == lines {
		if over {
			s.fail(LongLine)
		}
		s.checkNull(rest)
		return text, n
	}
	if s.Bare != Repair {
		s.fail(BareCR)
		return text, n
	}
	text, n = s.strayCR(text, col)
	s.checkNull(text)
	return text, n
}

// clean returns how many octets at the beginning of src are lines that end with
// CRLF, as many as can be told fast, with nothing in them to judge or to take off.
func (s *TextScanner) clean(src []byte) int {
	if !wide || len(src) < minClean || s.MaxLine > 0 && s.MaxLine < MaxTextLine {
		return 0
	}
	stuffed, line := byte('.'), s.MaxLine
	if s.Chunked {
		stuffed = '\n' // is never there
	}
	if line == 0 {
		line = math.MaxInt
	}
	return max(lastClean(unsafe.SliceData(src), len(src), uint64(stuffed), line, -1-s.col)+1, 0)
}

// minClean is from how many octets on that is worth it.
const minClean = 128

// tail takes the unfinished line at src[i:].
func (s *TextScanner) tail(src []byte, i int) []byte {
	end := len(src)
	if src[end-1] == '\r' {
		end--
		s.state = textCR
	}
	s.col += end - i
	return src[:end]
}

// over tells whether a line of n octets and CRLF is over-long.
func (s *TextScanner) over(n int) bool { return s.MaxLine > 0 && n+2 > s.MaxLine }

// strayCR gives back text up to its first bare CR, which it takes too, and
// sends the rest the slow way. col is the length of the line before text.
func (s *TextScanner) strayCR(text []byte, col int) ([]byte, int) {
	k := 0
	for {
		k += bytes.IndexByte(text[k:], '\r')
		if k+1 == len(text) || text[k+1] != '\n' {
			break
		}
		k += 2
	}
	s.slow = len(text) - k
	s.state = textCR
	s.col = col + k
	if l := bytes.LastIndexByte(text[:k], '\n'); l >= 0 {
		s.col = k - l - 1
	}
	if s.over(s.col) {
		s.fail(LongLine)
	}
	return text[:k], k + 1
}

// slowly goes octet by octet, to the next CR or LF.
func (s *TextScanner) slowly(src []byte) (text []byte, n int) {
	limit := min(s.slow, len(src))
	for n < limit && src[n] != '\r' && src[n] != '\n' {
		n++
	}
	text = src[:n]
	s.col += n
	if s.over(s.col) {
		s.fail(LongLine)
	}
	if n < limit {
		switch {
		case src[n] == '\r':
			s.state = textCR
			n++
		case n == 0:
			s.state, s.col = textRepaired, 0
			text, n = crlf, 1
		}
	}
	s.slow -= n
	s.checkNull(text)
	return text, n
}

// skip goes through src, which begins within a line, to the next line that
// may be the end.
func (s *TextScanner) skip(src []byte) int {
	for i := 0; ; {
		j := bytes.IndexByte(src[i:], '\n')
		if j < 0 {
			if src[len(src)-1] == '\r' {
				s.state = textCR
			}
			return len(src)
		}
		e := i + j
		i = e + 1
		if e > 0 && src[e-1] == '\r' && (i == len(src) || src[i] == '.' && !s.Chunked) {
			s.state = textLine
			return i
		}
		if i == len(src) {
			return i
		}
	}
}

func (s *TextScanner) checkNull(text []byte) {
	if s.Null == Allow || s.defect != NoDefect {
		return
	}
	for i := 0; i < len(text); i++ {
		j := bytes.IndexByte(text[i:], 0)
		if j < 0 {
			return
		}
		if s.Null != Repair {
			s.fail(NUL)
			return
		}
		i += j
		text[i] = ' '
	}
}

// String returns the treatment's name in the configuration.
func (t Treatment) String() string {
	return [...]string{"refuse", "repair", "allow"}[t%3]
}

// MarshalText returns the treatment's name.
func (t Treatment) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the treatment's name.
func (t *Treatment) UnmarshalText(text []byte) error {
	for _, o := range []Treatment{Refuse, Repair, Allow} {
		if o.String() == string(text) {
			*t = o
			return nil
		}
	}
	return fmt.Errorf("%q is not refuse, repair or allow", text)
}
