package text

import (
	"bytes"
	"iter"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxWord is the longest word, in octets; of a longer one its beginning
	// is given, of one of letters without a meaning ("#long") its class.
	MaxWord = 40
	// minSpaced is how many single letters in a row make a word: a.b.c; with
	// spaces between, one more.
	minSpaced = 3
)

// Words cuts folded text (see Fold) into what a learner of words wants:
//
//   - words of letters and digits, 1 to MaxWord octets, apostrophes inside
//     kept;
//   - numbers as classes: up to three digits as they are, years "#year",
//     longer "#5" by their digits; amounts of money "$3" by the digits before
//     the point; percentages "%2"; words of mixed letters and digits that
//     nobody says "#id", letters beyond MaxWord "#long"; addresses "#mail" and
//     URLs "#url" (their hosts are among the links);
//   - Han, Kana and Hangul as pairs of characters, Thai, Lao, Khmer and
//     Myanmar as triples;
//   - single letters in a row, "v i a g r a" or "v.i.a.g.r.a", as one word;
//   - words with digits or signs for letters, "v1agra", "ca$h", as they are,
//     and after that as the letters they stand for;
//   - pictures (emoji) one by one; "!!", "??" and "$$" for runs.
//
// A word is valid until the next; the caller does not change it.
func Words(folded []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { words(folded, yield) }
}

// splitter walks over folded text.
type splitter struct {
	b     []byte
	i     int
	spare []byte // a word that is made, not found
	yield func([]byte) bool
}

func words(folded []byte, yield func([]byte) bool) {
	s := splitter{b: folded, yield: yield}
	for s.i < len(s.b) {
		if !s.step() {
			return
		}
	}
}

// step handles what begins at i; false when the caller has enough.
func (s *splitter) step() bool {
	c := s.b[s.i]
	switch k := wordClass[c]; {
	case k == wSpace:
		s.i++
		return true
	case k == wLetter:
		return s.letters()
	case k == wDigit:
		return s.number(0)
	case k == wHigh:
		return s.high()
	}
	return s.sign(c)
}

// sign handles ASCII punctuation.
func (s *splitter) sign(c byte) bool {
	if c != '!' && c != '?' && c != '$' {
		s.i++
		return true
	}
	if c == '$' && s.i+1 < len(s.b) && isDigit(s.b[s.i+1]) {
		s.i++
		return s.number('$')
	}
	n := s.i
	for n < len(s.b) && s.b[n] == c {
		n++
	}
	from := s.i
	s.i = n
	if n-from >= 2 {
		return s.yield(s.b[from : from+2 : from+2])
	}
	return true
}

// wClass is what an octet of folded text is.
type wClass uint8

const (
	wOther wClass = iota
	wSpace
	wLetter
	wDigit
	wHigh
)

var wordClass = wordClasses()

func wordClasses() (t [256]wClass) {
	for i := range t {
		switch c := byte(i); {
		case c <= ' ':
			t[i] = wSpace
		case c >= utf8.RuneSelf:
			t[i] = wHigh
		case isLetter(c):
			t[i] = wLetter
		case isDigit(c):
			t[i] = wDigit
		}
	}
	return t
}

// letters handles a word that begins with a letter.
func (s *splitter) letters() bool {
	from := s.i
	if n := asciiLetters(s.b[from:]); n > 1 && (from+n == len(s.b) || endsLetters[s.b[from+n]]) { // as most are
		s.i = from + n
		return s.plain(s.b[from : from+n : from+n])
	}
	if s.singleAt(from) {
		if n, end := s.spaced(from); n {
			s.i = end
			return s.yield(s.spare)
		}
	}
	i, digits, turns, high, simple := from, 0, 0, false, true
	last := wLetter
	b := s.b
loop:
	for i < len(b) {
		k := wordClass[b[i]]
		switch k {
		case wLetter:
		case wDigit:
			digits++
		case wHigh:
			r, n := utf8.DecodeRune(b[i:])
			if !wordRune(r) || unspaced(r) != 0 {
				break loop
			}
			high = true
			i += n - 1
		case wOther:
			if b[i] != '\'' || i+1 >= len(b) || wordClass[b[i+1]] != wLetter {
				break loop
			}
			simple = false
		default:
			break loop
		}
		if k != last && k != wOther {
			turns++
			last = k
		}
		i++
	}
	s.i = i
	w := b[from:i:i]
	if digits == 0 && simple && !high {
		return s.plain(w)
	}
	if digits > 0 && !high && isID(w, digits, turns) {
		return s.yield(classID)
	}
	if !s.yield(cutWord(w)) {
		return false
	}
	if digits > 0 && len(w) <= MaxWord {
		return s.leet(w, false)
	}
	return true
}

// asciiLetters is how many ASCII letters b begins with.
func asciiLetters(b []byte) int {
	for i, c := range b {
		if wordClass[c] != wLetter {
			return i
		}
	}
	return len(b)
}

// endsLetters are the octets that end a word of letters, whatever follows.
var endsLetters = func() (t [256]bool) {
	for c := range t {
		t[c] = wordClass[c] == wSpace || wordClass[c] == wOther && c != '\''
	}
	return t
}()

// Classes of words.
var (
	classID   = []byte("#id")
	classLong = []byte("#long")
	classURL  = []byte("#url")
	classMail = []byte("#mail")
	classYear = []byte("#year")

	byDigits = [3][]byte{[]byte("#1#2#3#4#5#6#7#8#9"), []byte("$1$2$3$4$5$6$7$8$9"), []byte("%1%2%3%4%5%6%7%8%9")}
)

// plain handles a word of ASCII letters: part of a URL, of an address, or
// with a sign for a letter, or nothing but itself.
func (s *splitter) plain(w []byte) bool {
	b := s.b
	if s.i+1 < len(b) {
		switch c := b[s.i]; c {
		case ':':
			if s.i+2 < len(b) && b[s.i+1] == '/' && b[s.i+2] == '/' {
				s.skip()
				return s.yield(classURL)
			}
		case '.':
			if len(w) == 3 && string(w) == "www" && isWordByte(b[s.i+1]) {
				s.skip()
				return s.yield(classURL)
			}
		case '@', '$', '!', '|':
			if wordClass[b[s.i+1]] == wLetter {
				return s.signed(w)
			}
		}
	}
	if len(w) > MaxWord {
		return s.yield(classLong)
	}
	return s.yield(w)
}

// signed handles letters, a sign, letters.
func (s *splitter) signed(w []byte) bool {
	b, i := s.b, s.i
	dot := false
	for i < len(b) && i-s.i < 80 && (isWordByte(b[i]) || bytes.IndexByte([]byte("@$!|.-_"), b[i]) >= 0) {
		dot = dot || b[i] == '.' && i+1 < len(b) && wordClass[b[i+1]] == wLetter
		i++
	}
	if b[s.i] == '@' && dot {
		s.i = i
		return s.yield(classMail)
	}
	if !s.yield(cutWord(w)) {
		return false
	}
	from := s.i - len(w)
	end := s.i
	for end < len(b) && end-from < MaxWord && (alnum(b[end]) || bytes.IndexByte([]byte("@$!|"), b[end]) >= 0) {
		end++
	}
	for b[end-1] == '!' || b[end-1] == '|' {
		end--
	}
	return s.leet(b[from:end], true)
}

// leet gives a word with its digits and signs read as letters, when between
// them are more letters than signs, and a letter follows the last but one.
func (s *splitter) leet(w []byte, signs bool) bool {
	out := s.spare[:0]
	letters, odd := 0, 0
	for _, c := range w {
		if isLetter(c) {
			letters++
		} else if c >= utf8.RuneSelf {
			return true
		} else {
			l := leetLetter(c)
			if l == 0 {
				return true
			}
			odd++
			c = l
		}
		out = append(out, c)
	}
	s.spare = out
	if letters < 2 || odd == 0 || odd > letters || !signs && !isLetter(w[len(w)-1]) {
		return true
	}
	return s.yield(out)
}

// leetLetter is the letter that a digit or sign stands for, 0 for none.
func leetLetter(c byte) byte {
	switch c {
	case '0':
		return 'o'
	case '1', '!', '|':
		return 'i'
	case '3':
		return 'e'
	case '4', '@':
		return 'a'
	case '5', '$':
		return 's'
	case '7':
		return 't'
	case '8':
		return 'b'
	case '9', '6':
		return 'g'
	}
	return 0
}

// skip goes to the next white space.
func (s *splitter) skip() {
	for s.i < len(s.b) && s.b[s.i] > ' ' && s.b[s.i] != '<' && s.b[s.i] != '"' {
		s.i++
	}
}

// singleAt tells whether a single letter or digit stands at i.
func (s *splitter) singleAt(i int) bool {
	return i+2 < len(s.b) && wordClass[s.b[i]] == wLetter && spacer(s.b[i+1]) && (i == 0 || !isWordByte(s.b[i-1]))
}

func spacer(c byte) bool {
	switch c {
	case ' ', '.', '-', '_', '*', '\n', '/', '|', ',', '+', '~', '\'', ':', ';', '=', '^':
		return true
	}
	return false
}

// spaced reads single letters with the same sign between, from i, into spare.
func (s *splitter) spaced(i int) (ok bool, end int) {
	b, sep := s.b, s.b[i+1]
	out := append(s.spare[:0], b[i])
	letters := 1
	for i += 2; i < len(b) && len(out) < MaxWord; i += 2 {
		c := b[i]
		if !alnum(c) || i+1 < len(b) && isWordByte(b[i+1]) {
			break
		}
		if isLetter(c) {
			letters++
		} else if c = leetLetter(c); c == 0 {
			break
		}
		out = append(out, c)
		if i+1 >= len(b) || b[i+1] != sep {
			i += 2
			break
		}
	}
	s.spare = out
	need := minSpaced
	if sep == ' ' || sep == '\n' || sep == ',' || sep == '/' {
		need++
	}
	return len(out) >= need && letters*2 > len(out), i - 1
}

// high handles what begins with a character beyond ASCII.
func (s *splitter) high() bool {
	r, n := utf8.DecodeRune(s.b[s.i:])
	switch {
	case unspaced(r) != 0:
		return s.grams(unspaced(r))
	case wordRune(r):
		return s.letters()
	case unicode.Is(unicode.Sc, r):
		s.i += n
		if s.i < len(s.b) && s.b[s.i] == ' ' && s.i+1 < len(s.b) && isDigit(s.b[s.i+1]) {
			s.i++
		}
		if s.i < len(s.b) && isDigit(s.b[s.i]) {
			return s.number('$')
		}
		return true
	case picture(r):
		w := s.b[s.i : s.i+n : s.i+n]
		s.i += n
		return s.yield(w)
	}
	s.i += n
	return true
}

// grams gives the pairs (or triples) of characters of a run.
func (s *splitter) grams(size int) bool {
	var at [4]int // where the last characters begin
	n := 0
	for s.i < len(s.b) && s.b[s.i] >= utf8.RuneSelf {
		r, w := utf8.DecodeRune(s.b[s.i:])
		if unspaced(r) != size {
			break
		}
		copy(at[1:], at[:3])
		at[0] = s.i
		s.i += w
		if n++; n >= size {
			if !s.yield(s.b[at[size-1]:s.i:s.i]) {
				return false
			}
		}
	}
	if n > 0 && n < size {
		return s.yield(s.b[at[n-1]:s.i:s.i])
	}
	return true
}

// wordRune tells of letters, digits and marks beyond ASCII.
func wordRune(r rune) bool {
	if r < 0x80 {
		return alnum(byte(r))
	}
	if r >= 0x370 && r < 0x530 {
		return r != 0x37e && r != 0x387 && r != 0x482
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r)
}

// unspaced is the size of the pieces in which scripts without spaces are cut,
// 0 for the others.
func unspaced(r rune) int {
	switch {
	case r < 0xe00:
		return 0
	case r <= 0xeff, r >= 0x1000 && r <= 0x109f, r >= 0x1780 && r <= 0x17ff:
		return 3
	case r >= 0x1100 && r <= 0x11ff, r >= 0x3041 && r <= 0x30ff && r != 0x30fb, r >= 0x3105 && r <= 0x31ff, r == 0x3005,
		r >= 0x3400 && r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, r >= 0xac00 && r <= 0xd7ff, r >= 0xf900 && r <= 0xfaff, r >= 0x20000 && r <= 0x3ffff:
		return 2
	}
	return 0
}

// picture tells of emoji and other signs that spam and newsletters like.
func picture(r rune) bool {
	return r >= 0x2190 && r <= 0x21ff || r >= 0x2300 && r <= 0x23ff || r >= 0x25a0 && r <= 0x27bf || r >= 0x2b00 && r <= 0x2bff || r >= 0x1f000 && r <= 0x1faff
}
