package imapd

import (
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/cputime"
)

// slow matches as the RFC says it.
func slow(p, s string) bool {
	if p == "" {
		return s == ""
	}
	switch p[0] {
	case '*', '%':
		for i := 0; i <= len(s); i++ {
			if slow(p[1:], s[i:]) {
				return true
			}
			if i < len(s) && p[0] == '%' && s[i] == '/' {
				return false
			}
		}
		return false
	}
	return s != "" && s[0] == p[0] && slow(p[1:], s[1:])
}

// words lists all strings of at most n of the octets.
func words(octets string, n int) []string {
	list := []string{""}
	for from := 0; n > 0; n-- {
		to := len(list)
		for _, w := range list[from:to] {
			for _, c := range octets {
				list = append(list, w+string(c))
			}
		}
		from = to
	}
	return list
}

func TestPatternsMatchAsTheRFCSays(t *testing.T) {
	t.Parallel()
	names := words("ab/", 5)
	for _, text := range words("ab/*%", 4) {
		p := newPattern(text)
		for _, name := range names {
			if got, want := p.matches(name), slow(text, name); got != want {
				t.Fatalf("%q, %q: %v, want %v", text, name, got, want)
			}
		}
	}
	long := strings.Repeat("abcdefgh/", 20)
	for _, text := range []string{long + "*", "*" + long + "%x", long, "%/%" + long[9:] + "*x", strings.Repeat("*a", 80)} {
		for _, name := range []string{long, long + "x", long + "x/y", "q/" + long + "x"} {
			if got, want := newPattern(text).matches(name), slow(text, name); got != want {
				t.Errorf("%q, %q: %v, want %v", text, name, got, want)
			}
		}
	}
}

func TestInboxInAnyCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"inbox": true, "InBoX*": true, "inbox%": true, "inboxes": false, "inbox/*": false, "*": true} {
		if got := newPattern(text).matches("INBOX"); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestEvilPatternsAreQuick: what makes a matcher that tries everything take
// years is done in one pass.
func TestEvilPatternsAreQuick(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 1000)
	d := cputime.Of(func() {
		for _, text := range []string{strings.Repeat("*a", 500) + "b", strings.Repeat("%a", 500) + "b", strings.Repeat("*a%a", 250) + "b"} {
			p := newPattern(text)
			for range 100 {
				if p.matches(name) {
					t.Fatal(text)
				}
			}
		}
	})
	if d > 5*time.Second {
		t.Errorf("%v", d)
	}
}
