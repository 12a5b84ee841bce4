package sieve

import (
	"strings"
	"testing"
)

func TestNumericComparator(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"1", "2", -1}, {"007", "7", 0}, {"x", "5", 1}, {"x", "", 0}, {"12ab", "12", 0}, {"99999999999999999999999", "100000000000000000000000", -1}} {
		got := compareNumeric(tt.a, tt.b)
		if got < 0 != (tt.want < 0) || got > 0 != (tt.want > 0) {
			t.Errorf("%s and %s: %d", tt.a, tt.b, got)
		}
	}
}

func TestGlobIsLazy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		glob, s string
		want    string // the wildcards, with | between; "-" : no match
	}{
		{"*", "abc", "abc"},
		{"*b*", "abcbd", "a|cbd"},
		{"?b*", "abc", "a|c"},
		{`\*x`, "*x", ""},
		{`a\\b`, `a\b`, ""},
		{"a*", "b", "-"},
		{"*a", "bab", "-"},
		{"*a?c*", "xxabcabc", "xx|b|abc"},
		{"", "", ""},
		{"", "x", "-"},
		{"ab*ba", "aba", "-"},
		{"**", "ab", "|ab"},
		{"?", "ü", "ü"},
		{"a*?", "aü", "|ü"},
	} {
		var spans []span
		got := "-"
		if parseGlob(tt.glob).match(tt.s, false, &spans) {
			var words []string
			for _, s := range spans {
				words = append(words, tt.s[s.from:s.to])
			}
			got = strings.Join(words, "|")
		}
		if got != tt.want {
			t.Errorf("%q on %q: %q, want %q", tt.glob, tt.s, got, tt.want)
		}
	}
}
