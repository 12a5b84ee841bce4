package account

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ana@Example.ORG":                   "ana@example.org",
		"J\u00dcRGEN@B\u00dcCHER.example":   "j\u00fcrgen@xn--bcher-kva.example",
		"ju\u0308rgen@bu\u0308cher.example": "j\u00fcrgen@xn--bcher-kva.example",
		"a+b@example.org":                   "a+b@example.org",
		"a@[192.0.2.1]":                     "a@[192.0.2.1]",
	} {
		if got, err := Name(in); err != nil || got != want {
			t.Errorf("Name(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "ana", "@example.org", "ana@", `"a b"@example.org`, "*@example.org", "a*b@example.org", "a@b@c", " ana@example.org",
		"ana@example.org ", "a\x00b@example.org", "\u202eana@example.org", strings.Repeat("a", 65) + "@example.org",
		"a@" + strings.Repeat("b.", 130) + "org", "\u2163@example.org", "192.0.2.1",
	} {
		if got, err := Name(in); err == nil {
			t.Errorf("Name(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{"*@Example.org": "*@example.org", "Ana@example.org": "ana@example.org"} {
		if got, err := pattern(in); err != nil || got != want {
			t.Errorf("pattern(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"*", "*@", "**@example.org", "x*@example.org", "*@*.example.org"} {
		if got, err := pattern(in); err == nil {
			t.Errorf("pattern(%q) = %q", in, got)
		}
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, sep, want string }{
		{"ana+x@e.org", "+", "ana@e.org"},
		{"ana+x+y@e.org", "+", "ana@e.org"},
		{"+x@e.org", "+", "+x@e.org"},
		{"ana@e.org", "+", "ana@e.org"},
		{"ana+x@e.org", "", "ana+x@e.org"},
		{"ana-x@e.org", "-", "ana@e.org"},
	} {
		if got, cut := withoutDetail(c.in, c.sep); got != c.want || cut != (got != c.in) {
			t.Errorf("%+v: %q, %v", c, got, cut)
		}
	}
}

// FuzzName: a normal name is its own normal form.
func FuzzName(f *testing.F) {
	for _, s := range []string{"Ana@Example.org", "j\u00fcrgen@b\u00fccher.example", "a+b@[IPv6:2001:db8::1]", "\u1e9e@x.org", "\u0130@x.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Name(s)
		if err != nil {
			return
		}
		if len(n) > maxName || strings.ContainsAny(n, " *\"\x00") {
			t.Errorf("Name(%q) = %q", s, n)
		}
		if m, err := Name(n); err != nil || m != n {
			t.Errorf("Name(%q) = %q, and of that %q, %v", s, n, m, err)
		}
	})
}
