package text

import (
	"encoding/binary"
	"unicode/utf8"
)

// Marks counts what Fold undid. Counters add up over calls.
type Marks struct {
	ZeroWidth  int // zero-width spaces, joiners, word joiners, fillers
	SoftHyphen int // soft hyphens
	Bidi       int // controls of the writing direction
	Reversed   int // runs written backwards by an override, turned again
	Combining  int // combining marks over Latin and Greek letters
	Variation  int // variation selectors
	Tags       int // tag characters: invisible copies of ASCII
	InWord     int // of the invisible ones: those between two letters
	FullWidth  int // full-width and half-width forms
	Math       int // mathematical and letter-like alphabets
	Enclosed   int // letters and digits in circles and squares, raised, small capitals
	Homoglyphs int // letters of other scripts in Latin words, and the reverse
	Mixed      int // words that mixed scripts
	Disguised  int // words wholly of another script's look-alikes
	Accents    int // accented Latin letters
	Private    int // private use characters
	Invalid    int // replacement characters
	Spaces     int // unusual spaces
}

// Invisible is the number of characters that show nothing.
func (m *Marks) Invisible() int {
	return m.ZeroWidth + m.SoftHyphen + m.Bidi + m.Variation + m.Tags
}

// maxGrowth bounds how many times as long as what is written Fold makes it:
// some ligatures stand for eighteen letters, but no text is of those alone.
const maxGrowth = 3

// maxFoldWord bounds the words whose scripts are looked at, in letters.
const maxFoldWord = 64

// folder is the state of one Fold.
type folder struct {
	t    *foldTable
	m    *Marks
	src  []byte
	dst  []byte
	base int // where dst began
	most int // what dst may grow to

	// The word in hand: its letters as written, and what they are.
	word  [maxFoldWord]rune
	n     int // letters, may be above maxFoldWord
	start int // in dst
	kinds scripts

	balance int8 // of the whole text: 0 not asked, 1 Latin, 2 another script

	back [maxTurned]byte // what an override turned again

	invisible int // seen since the last letter
	ownEnd    int // in dst, where the last word of another script ended
	turned    bool
}

// Fold appends src to dst as the words in it are meant: lower case,
// compatibility forms (NFKC), invisible characters, marks over Latin and Greek
// letters, and the vowel signs and points of Arabic and Hebrew out, letters that only look like Latin ones (or, in a Cyrillic
// word, like Cyrillic ones) exchanged for those, punctuation plain. Text of
// other scripts stays itself. src and dst do not overlap. m may be nil.
func Fold(dst, src []byte, m *Marks) []byte {
	n := asciiPrefix(src)
	dst = appendLower(dst, src[:n])
	if n == len(src) {
		return dst
	}
	if m == nil {
		m = new(Marks)
	}
	f := folder{t: theFoldTable(), m: m, src: src, dst: dst, base: len(dst) - n}
	f.most = f.base + maxGrowth*len(src) + 1<<10
	f.run(n)
	return f.dst
}

// lowerTable is ASCII in lower case; control characters are spaces.
var lowerTable = lowers()

func lowers() (t [256]byte) {
	for i := range t {
		c := byte(i)
		switch {
		case c == '\n':
		case c < ' ' || c == 0x7f:
			c = ' '
		default:
			c = lower(c)
		}
		t[i] = c
	}
	return t
}

// appendLower appends ASCII as lowerTable has it.
func appendLower(dst, src []byte) []byte {
	n := len(dst)
	dst = append(dst, src...)
	out := dst[n:]
	for len(out) >= 8 {
		if x, ok := lowerEight(binary.LittleEndian.Uint64(out)); ok {
			binary.LittleEndian.PutUint64(out, x)
		} else {
			for i, c := range out[:8] {
				out[i] = lowerTable[c]
			}
		}
		out = out[8:]
	}
	for i, c := range out {
		out[i] = lowerTable[c]
	}
	return dst
}

// run folds src from i, where the first character beyond ASCII stands.
func (f *folder) run(i int) {
	src := f.src
	for i < len(src) && len(f.dst) < f.most {
		if src[i] >= utf8.RuneSelf {
			if f.n == 0 {
				f.pickUp()
			}
			r, n := utf8.DecodeRune(src[i:])
			i += n
			if r == 0x202e && !f.turned {
				i += f.backwards(src[i:])
				continue
			}
			f.rune(r)
			continue
		}
		// ASCII: the rest of the word in hand, then all in one go.
		if f.n > 0 || f.invisible > 0 {
			c := lowerTable[src[i]]
			if alnum(c) {
				f.letter(rune(src[i]), ascii)
				f.dst = append(f.dst, c)
			} else {
				f.endWord()
				f.dst = append(f.dst, c)
			}
			i++
			continue
		}
		n := asciiPrefix(src[i:])
		f.dst = appendLower(f.dst, src[i:i+n])
		i += n
	}
	f.endWord()
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// pickUp takes the ASCII letters at the end of dst as the beginning of the
// word in hand.
func (f *folder) pickUp() {
	i := len(f.dst)
	for i > f.base && len(f.dst)-i < maxFoldWord && alnum(f.dst[i-1]) {
		i--
	}
	f.start, f.kinds, f.n = i, 0, 0
	for _, c := range f.dst[i:] {
		f.letter(rune(c), ascii)
	}
	f.start = i
}

// letter notes a letter of the word in hand.
func (f *folder) letter(r rune, kind scripts) {
	if r < utf8.RuneSelf && !isLetter(byte(r)) {
		kind = digit
	}
	if f.n == 0 {
		f.start = len(f.dst)
		f.kinds = 0
	} else if f.invisible > 0 {
		f.m.InWord += f.invisible
	}
	f.invisible = 0
	if f.n < maxFoldWord {
		f.word[f.n] = r
	}
	f.n++
	f.kinds |= kind
}

// rune folds one character beyond ASCII.
func (f *folder) rune(r rune) {
	e := f.t.entry(r)
	if e.mark != markNone {
		f.count(e.mark)
	}
	switch e.what {
	case isLetterRune:
		f.letter(r, e.kind)
		f.put(e, r)
	case isInvisible:
		f.invisible++
	case isCombining:
		f.combine(r)
	case isOther:
		f.endWord()
		f.put(e, r)
	}
}

// put appends what r folds to.
func (f *folder) put(e entry, r rune) {
	switch {
	case e.fold == 0:
		f.dst = utf8.AppendRune(f.dst, r)
	case e.fold < 0:
		f.dst = append(f.dst, f.t.long[-e.fold-1]...)
	default:
		f.dst = utf8.AppendRune(f.dst, e.fold)
	}
}

// combine drops a mark over a Latin or Greek letter; over others it becomes
// part of the letter, or stays.
func (f *folder) combine(r rune) {
	if r == 0xff9e || r == 0xff9f {
		r += 0x3099 - 0xff9e // half-width voice marks
	}
	last, n := utf8.DecodeLastRune(f.dst[f.base:])
	if n == 0 {
		return
	}
	le := f.t.entry(last)
	if last < utf8.RuneSelf || le.kind&(latin_|greek) != 0 {
		f.m.Combining++
		return
	}
	if one, ok := f.t.composed.of(last, r); ok {
		f.dst = utf8.AppendRune(f.dst[:len(f.dst)-n], one)
		if f.n > 0 && f.n <= maxFoldWord {
			f.word[f.n-1] = one
			f.kinds |= f.t.entry(one).kind
		}
		return
	}
	if diacritic(r) {
		f.m.Combining++
		return
	}
	if pointing(r) {
		return
	}
	f.letter(r, other)
	f.dst = utf8.AppendRune(f.dst, r)
}

// endWord settles the word in hand.
func (f *folder) endWord() {
	f.invisible = 0
	if f.n == 0 {
		return
	}
	n := f.n
	f.n = 0
	if f.kinds&genuine != 0 && f.kinds&(ascii|latin_) == 0 {
		f.ownEnd = len(f.dst)
	}
	if f.kinds&(twin|rough) == 0 || n > maxFoldWord {
		return
	}
	word := f.word[:n]
	latinLike := f.kinds&(ascii|latin_) != 0
	switch {
	case latinLike && f.kinds&(genuine|rough) != 0 && f.t.cyrillicWord(word) && (f.kinds&genuine != 0 || !f.inLatinText()):
		f.m.Mixed++
		f.toCyrillic(word)
	case latinLike:
		f.m.Mixed++
		f.toLatin(word)
	case f.kinds&(genuine|other) == 0 && f.suspect() && f.inLatinText():
		f.m.Disguised++
		f.toLatin(word)
	case f.kinds&(ascii|latin_) == 0:
		f.ownEnd = len(f.dst)
	}
}

// suspect tells of a word of look-alikes alone: of exact ones that stand
// beside no word of another script; or with one that hardly any text needs, or
// of several scripts.
func (f *folder) suspect() bool {
	if f.kinds&exotic != 0 || f.kinds&(greek|cyrillic) == greek|cyrillic {
		return true
	}
	return f.kinds&rough == 0 && !f.besideOwn()
}

// toLatin writes the word in hand again, in Latin letters.
func (f *folder) toLatin(word []rune) {
	f.dst = f.dst[:f.start]
	for _, r := range word {
		e := f.t.entry(r)
		switch {
		case r < utf8.RuneSelf:
			f.dst = append(f.dst, lower(byte(r)))
		case e.glyph != 0:
			f.m.Homoglyphs++
			f.dst = append(f.dst, e.glyph)
		default:
			f.put(e, r)
		}
	}
}

// toCyrillic writes the word in hand again, in Cyrillic letters.
func (f *folder) toCyrillic(word []rune) {
	f.dst = f.dst[:f.start]
	for _, r := range word {
		if c := cyrillicTwin(r); c != 0 {
			f.m.Homoglyphs++
			f.dst = utf8.AppendRune(f.dst, c)
			continue
		}
		f.put(f.t.entry(r), r)
	}
}

// maxBeside is how far, in octets, a word of another script stands by the
// next one.
const maxBeside = 16

// besideOwn tells whether no Latin letters part the word in hand from a word
// of another script before it.
func (f *folder) besideOwn() bool {
	if f.ownEnd == 0 || f.start-f.ownEnd > maxBeside || f.start < f.ownEnd {
		return false
	}
	for _, c := range f.dst[f.ownEnd:f.start] {
		if isLetter(c) {
			return false
		}
	}
	return true
}

// maxTurned bounds, in octets, the text that an override writes backwards.
const maxTurned = 1 << 10

// backwards folds what follows U+202E, a right-to-left override, as it is
// seen: backwards. It gives how many octets that took.
func (f *folder) backwards(src []byte) int {
	f.endWord()
	f.m.Bidi++
	src = trimPartial(src[:min(len(src), maxTurned)])
	out := f.back[:]
	at, n := len(out), 0
	for n < len(src) {
		r, size := utf8.DecodeRune(src[n:])
		if r == '\n' || r == 0x202c || r == 0x202e {
			break
		}
		if r >= 0x590 && r < 0x800 {
			return 0 // written from the right anyway
		}
		at -= size
		copy(out[at:], src[n:n+size])
		n += size
	}
	f.m.Reversed++
	whole := f.src
	f.src, f.turned = out[at:], true
	f.run(0)
	f.src, f.turned = whole, false
	return n
}

// inLatinText tells, once for the text, whether words of look-alikes alone
// are Latin ones in disguise: there are hardly any words in their own script.
func (f *folder) inLatinText() bool {
	if f.balance == 0 {
		f.balance = 2
		if f.t.latinText(f.src) {
			f.balance = 1
		}
	}
	return f.balance == 1
}
