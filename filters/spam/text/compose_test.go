package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// TestComposedAsByNorm: whatever letters and marks norm makes one of, and no
// others, of what letters are folded to. Those of Latin and Greek lose their marks.
func TestComposedAsByNorm(t *testing.T) {
	t.Parallel()
	c := theFoldTable().composed
	var letters, marks []rune
	for r := rune(0x80); r < 0x20000; r++ {
		s, e := string(r), theFoldTable().entry(r)
		if e.fold != 0 || e.kind&(latin_|greek) != 0 {
			continue
		}
		p := norm.NFC.PropertiesString(s)
		if p.Decomposition() != nil || !p.BoundaryAfter() && unicode.IsLetter(r) {
			letters = append(letters, r)
		}
		if e.what == isCombining && !p.BoundaryBefore() {
			marks = append(marks, r)
		}
	}
	letters = append(letters, 'и', 'か', 'ㄱ', 'क', '中')
	n := 0
	for _, a := range letters {
		if a >= 0xac00 && a < 0xd7a4 && a%7 != 0 { // enough of them
			continue
		}
		for _, b := range marks {
			s := string([]rune{a, b})
			one, size := utf8.DecodeRuneInString(norm.NFC.String(s))
			want := size == len(norm.NFC.String(s))
			got, ok := c.of(a, b)
			if ok != want || ok && got != one {
				t.Fatalf("%U %U: %U %v, norm has %U %v", a, b, got, ok, one, want)
			}
			if ok {
				n++
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d of %d letters and %d marks", n, len(letters), len(marks))
	}
}

// TestMarksTakeNoMemory: each of them once took half a kilobyte.
func TestMarksTakeNoMemory(t *testing.T) {
	for _, s := range []string{"\u1112\u1161\u11ab", "и\u0306", "か\u3099", "क\u093c"} {
		src, dst := []byte(strings.Repeat(s, 1000)), make([]byte, 0, 64<<10)
		if n := testing.AllocsPerRun(3, func() { Fold(dst, src, nil) }); n > 10 {
			t.Errorf("%q: %v allocations", s, n)
		}
	}
}
