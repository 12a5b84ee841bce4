package text

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
)

// FuzzSqueeze: what is taken out of HTML that comes in pieces is never a letter
// that a reader sees or does not see, wherever the pieces end.
func FuzzSqueeze(f *testing.F) {
	for _, s := range []string{
		"a<!-- b <!-- c --> d", "a<br><br><p>b", "<style>.a{}</style>x", "<script>x</scri", "a&nbsp;&nbsp;" + strings.Repeat("&#8203; ", 20) + "b", "<a title='<!--'>x<!-- -->",
		strings.Repeat("<br>", 70) + "x", "<!-- " + strings.Repeat("y ", 200) + "-->z", "<textarea><!-- x</textarea>y", "<title>a</title>b<", "a\x00\n\n\n" + strings.Repeat(" \n", 20) + "b",
	} {
		for _, at := range []uint16{0, 1, 5, 9, 200} {
			f.Add([]byte(s), at)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, at uint16) {
		if len(src) > 32<<10 {
			return
		}
		whole := letters(src)
		var s Squeezer
		cut := min(int(at), len(src))
		b := bytes.Clone(src[:cut])
		length, done := s.HTML(b)
		b = append(b[:length:length], src[cut:]...)
		n, d := s.HTML(b[done:])
		if n > len(b)-done || d > n {
			t.Fatalf("%d of %d, %d done", n, len(b)-done, d)
		}
		if got := letters(b[:done+n]); got != whole {
			t.Errorf("%q in pieces at %d: %q, want %q: %q", src, cut, got, whole, b[:done+n])
		}
	})
}

// letters are those of a page, shown ones first, without the rest.
func letters(html []byte) string {
	var p Page
	p.HTML(html)
	only := func(b []byte) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, string(b))
	}
	return only(p.Text) + "|" + only(p.Hidden) + "|" + only(p.Quoted)
}
