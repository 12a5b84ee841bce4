package text

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// scripts is what the letters of a word are.
type scripts uint16

const (
	ascii    scripts = 1 << iota
	latin_           // beyond ASCII
	greek            // Greek letters
	digit            // digits fit every script
	twin             // of another script, looks exactly like a Latin letter
	rough            // of another script, looks somewhat like a Latin letter
	exotic           // a twin that hardly any text needs
	genuine          // of another script, like no Latin letter
	other            // letters without case and look-alikes
	cyrillic         // Cyrillic letters
)

type what uint8

const (
	isOther      what = iota // ends a word
	isLetterRune             // letters, digits and marks of a script
	isInvisible              // nothing is seen, and it parts nothing
	isCombining              // over the letter before it
)

// mark is the counter of Marks that a character adds to.
type mark uint8

const (
	markNone mark = iota
	markZero
	markSoft
	markBidi
	markVariation
	markTag
	markWide
	markMath
	markEnclosed
	markAccent
	markPrivate
	markInvalid
	markSpace
)

func (f *folder) count(m mark) {
	switch c := f.m; m {
	case markZero:
		c.ZeroWidth++
	case markSoft:
		c.SoftHyphen++
	case markBidi:
		c.Bidi++
	case markVariation:
		c.Variation++
	case markTag:
		c.Tags++
	case markWide:
		c.FullWidth++
	case markMath:
		c.Math++
	case markEnclosed:
		c.Enclosed++
	case markAccent:
		c.Accents++
	case markPrivate:
		c.Private++
	case markInvalid:
		c.Invalid++
	case markSpace:
		c.Spaces++
	}
}

// entry says how one character folds.
type entry struct {
	fold  rune // 0 itself; below 0: 1 + index in foldTable.long
	kind  scripts
	what  what
	mark  mark
	glyph byte // the ASCII letter it looks like, 0 for none
}

// foldTable is a table of pages of 256 characters. A page that is nil holds
// letters that fold to themselves.
type foldTable struct {
	pages    [0x1100]*[256]entry
	long     []string
	composed composed
}

var theFoldTable = sync.OnceValue(buildFoldTable)

func (t *foldTable) entry(r rune) entry {
	if p := t.pages[uint32(r)>>8%0x1100]; p != nil {
		return p[r&255]
	}
	return entry{what: isLetterRune, kind: other}
}

// buildFoldTable reads the tables of unicode and norm once.
func buildFoldTable() *foldTable {
	t := &foldTable{composed: pairsOf()}
	glyphs := make(map[rune]glyph)
	for _, g := range glyphLists {
		for _, pair := range strings.Fields(g.pairs) {
			r, n := utf8.DecodeRuneInString(pair)
			glyphs[r] = glyph{latin: pair[n], kind: g.kind}
			if small := unicode.ToLower(r); unicode.Is(unicode.Cherokee, r) {
				glyphs[small] = glyphs[r]
			}
		}
	}
	build := func(from, to int) {
		for p := from; p <= to; p++ {
			page := new([256]entry)
			for i := range page {
				r := rune(p<<8 | i)
				page[i] = t.make(r, glyphs[r])
			}
			t.pages[p] = page
		}
	}
	build(0, 0x33)
	build(0xa4, 0xab)
	build(0xe0, 0xff) // private use, compatibility forms
	build(0x104, 0x104)
	build(0x118, 0x118)
	build(0x1d4, 0x1d7)
	build(0x1f0, 0x1ff)
	build(0x2f8, 0x2fa)
	build(0xe00, 0xe01)
	for p := 0xf00; p < 0x1100; p++ {
		t.pages[p] = t.pages[0xe0]
	}
	return t
}

// make finds the entry of r.
func (t *foldTable) make(r rune, g glyph) entry {
	switch m := invisibleMark(r); {
	case m != markNone:
		return entry{what: isInvisible, mark: m}
	case unicode.IsSpace(r), r == 0x2800:
		e := entry{fold: ' '}
		if r == 0x2028 || r == 0x2029 || r == 0x85 {
			e.fold = '\n'
		} else if r != 0xa0 && r >= 0x80 {
			e.mark = markSpace
		}
		return e
	case r == utf8.RuneError:
		return entry{fold: ' ', mark: markInvalid}
	case unicode.Is(unicode.Co, r):
		return entry{mark: markPrivate}
	case r >= 0x80 && r < 0xa0:
		return entry{fold: ' '}
	case diacritic(r), pointing(r), r == 0x3099, r == 0x309a, r == 0xff9e, r == 0xff9f, r >= 0x1160 && r <= 0x11ff, unicode.Is(unicode.Mn, r):
		return entry{what: isCombining}
	}
	e := entry{kind: other, mark: fancy(r), glyph: g.latin}
	s := t.folded(r)
	first, n := utf8.DecodeRuneInString(s)
	switch {
	case n < len(s):
		t.long = append(t.long, s)
		e.fold = -rune(len(t.long))
	case first != r:
		e.fold = first
	}
	if unicode.IsLetter(first) || unicode.IsNumber(first) || unicode.IsMark(first) {
		e.what = isLetterRune
	}
	e.kind = kindOf(r, first, g)
	if e.mark == markNone && first < utf8.RuneSelf && r >= 0x80 && unicode.IsLetter(r) {
		e.mark = markAccent
	}
	return e
}

// kindOf says what kind of letter r is that folds to first.
func kindOf(r, first rune, g glyph) scripts {
	switch {
	case g.kind != 0:
		k := g.kind
		if unicode.Is(unicode.Greek, first) {
			k |= greek
		}
		if unicode.Is(unicode.Cyrillic, first) {
			k |= cyrillic
		}
		return k
	case first < utf8.RuneSelf && isLetter(byte(first)):
		return ascii
	case first < utf8.RuneSelf && isDigit(byte(first)), unicode.IsNumber(r):
		return digit
	case unicode.Is(unicode.Latin, first):
		return latin_
	case unicode.Is(unicode.Greek, first):
		return greek | genuine
	case unicode.Is(unicode.Cyrillic, first):
		return genuine | cyrillic
	}
	return other
}

// folded is r in lower case, without compatibility and marks.
func (t *foldTable) folded(r rune) string {
	if s, ok := plainForms[r]; ok {
		return s
	}
	if l, ok := squared(r); ok {
		return string(l)
	}
	if d := decimal(r); d >= 0 {
		return string('0' + d)
	}
	var out []rune
	for _, c := range norm.NFKD.String(string(r)) {
		if diacritic(c) && (unicode.Is(unicode.Latin, r) || unicode.Is(unicode.Greek, r) || len(out) == 0 || out[len(out)-1] < 0x80) {
			continue
		}
		if pointing(c) && (c < 0x653 || c > 0x655) { // those are parts of letters
			continue
		}
		c = unicode.ToLower(c)
		if s, ok := plainForms[c]; ok {
			out = append(out, []rune(s)...)
			continue
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return string(r)
	}
	return norm.NFC.String(string(out))
}

// squared maps negative circled and squared letters, and regional indicators.
func squared(r rune) (rune, bool) {
	switch {
	case r >= 0x1f150 && r <= 0x1f169:
		return r - 0x1f150 + 'a', true
	case r >= 0x1f170 && r <= 0x1f189:
		return r - 0x1f170 + 'a', true
	case r >= 0x1f1e6 && r <= 0x1f1ff:
		return r - 0x1f1e6 + 'a', true
	case r >= 0x2776 && r <= 0x277e:
		return r - 0x2776 + '1', true
	case r >= 0x24eb && r <= 0x24f3:
		return '1', true
	}
	return 0, false
}

// decimal is the value of a decimal digit of any script, -1 for others.
func decimal(r rune) rune {
	for _, x := range unicode.Nd.R16 {
		if r >= rune(x.Lo) && r <= rune(x.Hi) {
			return (r - rune(x.Lo)) % 10
		}
	}
	return -1
}

// diacritic tells of marks that are laid over letters of any script.
func diacritic(r rune) bool {
	return r >= 0x300 && r <= 0x36f || r >= 0x483 && r <= 0x489 || r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x1dff || r >= 0x20d0 && r <= 0x20ff || r >= 0xfe20 && r <= 0xfe2f
}

// pointing tells of the signs of vowels, stress and song that Arabic and Hebrew
// are read without, and of the stroke that makes an Arabic word longer.
func pointing(r rune) bool {
	switch {
	case r < 0x591 || r > 0x8ff:
		return false
	case r <= 0x5c7:
		return r != 0x5be && r != 0x5c0 && r != 0x5c3 && r != 0x5c6
	case r >= 0x610 && r <= 0x61a, r >= 0x64b && r <= 0x65f, r == 0x640, r == 0x670:
		return true
	case r >= 0x6d6 && r <= 0x6ed:
		return r != 0x6dd && r != 0x6de && r != 0x6e5 && r != 0x6e6 && r != 0x6e9
	}
	return r >= 0x8ca && r != 0x8e2
}

// invisibleMark names the counter of a character that shows nothing.
func invisibleMark(r rune) mark {
	switch {
	case r == 0xad:
		return markSoft
	case r >= 0x200b && r <= 0x200d, r == 0x2060, r >= 0x2061 && r <= 0x2065, r == 0xfeff, r == 0x34f, r == 0x180e, r == 0x115f, r == 0x1160,
		r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0, r >= 0xfff0 && r <= 0xfffb, r >= 0x1bca0 && r <= 0x1bca3:
		return markZero
	case r == 0x200e, r == 0x200f, r == 0x61c, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x206f:
		return markBidi
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0x180b && r <= 0x180d, r >= 0xe0100 && r <= 0xe01ef:
		return markVariation
	case r >= 0xe0000 && r <= 0xe00ff:
		return markTag
	}
	return markNone
}

// fancy names the counter of letters written for their looks.
func fancy(r rune) mark {
	switch {
	case r >= 0xff01 && r <= 0xff5e:
		return markWide
	case r >= 0x1d400 && r <= 0x1d7ff, r >= 0x2100 && r <= 0x213a && r != 0x2122 && r != 0x2116 && r != 0x2103 && r != 0x2109, r >= 0x2145 && r <= 0x2149:
		return markMath
	case r >= 0x2460 && r <= 0x24ff, r >= 0x1f100 && r <= 0x1f189, r >= 0x2776 && r <= 0x2793, r >= 0x1d00 && r <= 0x1d6a, r >= 0x2090 && r <= 0x209c, r >= 0x1f1e6 && r <= 0x1f1ff:
		return markEnclosed
	}
	return markNone
}

// latinText tells whether words of look-alikes alone mean Latin words in src.
func (t *foldTable) latinText(src []byte) bool {
	var latin, own, doubtful, exotics int
	for i := 0; i < len(src); {
		var kinds scripts
		plain := false // a Latin letter like no Cyrillic one
		for i < len(src) {
			r, n := rune(src[i]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(src[i:])
				e := t.entry(r)
				if e.what == isOther {
					i += n
					break
				}
				kinds |= e.kind
				plain = plain || e.kind&ascii != 0 && e.fold > 0 && cyrillicTwin(e.fold) == 0
			} else if !isWordByte(byte(r)) {
				i++
				break
			} else if isLetter(byte(r)) {
				kinds |= ascii
				plain = plain || cyrillicTwin(r) == 0
			}
			i += n
		}
		switch {
		case kinds&(ascii|latin_) != 0 && kinds&(genuine|rough|twin) != 0 && !plain:
		case kinds&(ascii|latin_) != 0:
			latin++
		case kinds&(genuine|other) == 0 && (kinds&exotic != 0 || kinds&(greek|cyrillic) == greek|cyrillic):
			exotics++
		case kinds&(genuine|rough|other) != 0:
			own++
		case kinds&twin != 0:
			doubtful++
		}
	}
	return own*4 < latin+exotics || own == 0 && doubtful >= 3
}
