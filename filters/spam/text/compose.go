package text

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// composed has the characters that a letter and a mark behind it make together,
// in scripts of which marks are kept: a letter has one there.
// norm makes them too, with half a kilobyte of memory for each.
type composed map[[2]rune]rune

// pairsOf finds all in the tables of norm, but the syllables of Hangul.
func pairsOf() composed {
	all := composed{}
	for r := rune(0xc0); r < 0x17000; r++ {
		if r == 0x3100 { // up to 11000 are none but Hangul
			r = 0x11000
		}
		d := norm.NFC.PropertiesString(string(r)).Decomposition()
		_, n := utf8.DecodeLastRune(d)
		first, size := utf8.DecodeRune(norm.NFC.Bytes(d[:len(d)-n]))
		if last, _ := utf8.DecodeLastRune(d); n < len(d) && size > 0 && norm.NFC.String(string([]rune{first, last})) == string(r) {
			all[[2]rune{first, last}] = r
		}
	}
	return all
}

// The syllables of Hangul (Unicode section 3.12).
const (
	hangul            = 0xac00
	leads, leadNumber = 0x1100, 19
	vowels, vowelNum  = 0x1161, 21
	tails, tailNumber = 0x11a7, 28 // the first is none
)

// of returns what a letter and a mark make together; false: they stay two.
func (c composed) of(letter, mark rune) (rune, bool) {
	switch mark { // others that mean the same
	case 0x340, 0x341:
		mark -= 0x40
	case 0x343:
		mark = 0x313
	}
	lead, vowel, tail, syllable := letter-leads, mark-vowels, mark-tails, letter-hangul
	switch {
	case lead >= 0 && lead < leadNumber && vowel >= 0 && vowel < vowelNum:
		return hangul + (lead*vowelNum+vowel)*tailNumber, true
	case syllable >= 0 && syllable < leadNumber*vowelNum*tailNumber && syllable%tailNumber == 0 && tail > 0 && tail < tailNumber:
		return letter + tail, true
	}
	r, ok := c[[2]rune{letter, mark}]
	return r, ok
}
