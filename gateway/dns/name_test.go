package dns

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNormal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"example.org", "example.org", true},
		{"Example.ORG.", "example.org", true},
		{"_dmarc.example.org", "_dmarc.example.org", true},
		{"foo:bar/baz.example.com", "foo:bar/baz.example.com", true},
		{`a\.b.example`, `a\.b.example`, true},
		{"two words.example", "two words.example", true},
		{long + ".org", long + ".org", true},
		{long + "a.org", "", false},
		{"", "", false},
		{".", "", false},
		{"a..b", "", false},
		{".a", "", false},
		{"a..", "", false},
		{"a\n.b", "", false},
		{"bücher.example", "", false},
		{long + "." + long + "." + long + "." + long[:61], long + "." + long + "." + long + "." + long[:61], true},
		{long + "." + long + "." + long + "." + long[:62], "", false},
	} {
		if got, ok := Normal(c.in); got != c.want || ok != c.ok {
			t.Errorf("Normal(%q) = %q, %v", c.in, got, ok)
		}
	}
}

func TestReverseName(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.1":          "1.2.0.192.in-addr.arpa",
		"::ffff:192.0.2.1":   "1.2.0.192.in-addr.arpa",
		"2001:db8::567:89ab": "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := ReverseName(netip.MustParseAddr(ip)); got != want {
			t.Errorf("ReverseName(%s) = %s, want %s", ip, got, want)
		}
	}
	if got := ReverseName(netip.Addr{}); got != "" {
		t.Errorf("zero address: %q", got)
	}
}
