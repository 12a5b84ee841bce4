package text

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Eight octets at a time, as one number.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// from tells which octets, all below 0x80, are at least c: by their high bits.
func from(x uint64, c byte) uint64 { return (x + ones*uint64(0x80-c)) & highs }

// lowerEight returns eight octets of ASCII in lower case; not ok where there
// are control characters among them but line feeds.
func lowerEight(x uint64) (_ uint64, ok bool) {
	lines := ^(x ^ ones*'\n' + ones*0x7f) & highs
	if from(x, ' ')|lines != highs || from(x, 0x7f) != 0 {
		return x, false
	}
	upper := from(x, 'A') &^ from(x, 'Z'+1)
	return x | upper>>2, true
}

// asciiPrefix is how many octets are ASCII.
func asciiPrefix(b []byte) int {
	n := 0
	for ; n+8 <= len(b); n += 8 {
		if high := binary.LittleEndian.Uint64(b[n:]) & highs; high != 0 {
			return n + bits.TrailingZeros64(high)/8
		}
	}
	for n < len(b) && b[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// countLetters counts the letters in ASCII.
func countLetters(b []byte) (n int) {
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b) | ones*0x20
		n += bits.OnesCount64(from(x, 'a') &^ from(x, 'z'+1))
	}
	for _, c := range b {
		if isLetter(c) {
			n++
		}
	}
	return n
}
