package dnslist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{
		"127.0.0.2": false, "127.0.0.254": false, "127.1.1.1": false, "127.0.1.2": false, "127.255.254.1": false,
		"127.0.0.1": true, "127.0.0.255": true, "127.0.1.255": true, "127.255.255.1": true, "128.0.0.2": true, "192.0.2.1": true,
	} {
		if Refusal(netip.MustParseAddr(ip)) != want {
			t.Errorf("%s: %v", ip, !want)
		}
	}
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\r\n550 b":                   "a 550 b",
		"  sp\x00aces\t ":              "sp aces",
		"bücher \xff":                  "b?cher ?",
		strings.Repeat("x", 300):       "",
		strings.Repeat("1234 ", 50):    strings.TrimSpace(strings.Repeat("1234 ", 40)),
		strings.Repeat("ü", 100) + "y": strings.Repeat("?", 100) + "y",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, with, without string }{
		{"127.0.0.2", "127.0.0.2", "127.0.0.3 127.0.1.2"},
		{"127.0.0.[4-7]", "127.0.0.4 127.0.0.7", "127.0.0.3 127.0.0.8"},
		{"127.0.[0;2].[2;10..11]", "127.0.0.2 127.0.2.10 127.0.2.11", "127.0.1.2 127.0.0.3"},
		{"127.0.1.0/24", "127.0.1.0 127.0.1.255", "127.0.2.0"},
		{"127.0.0.0/14", "127.3.255.255", "127.4.0.0"},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for want, list := range map[bool]string{true: c.with, false: c.without} {
			for ip := range strings.FieldsSeq(list) {
				if p.Match(netip.MustParseAddr(ip)) != want {
					t.Errorf("%s, %s: %v", c.pattern, ip, !want)
				}
			}
		}
	}
	for _, s := range []string{"", "127.0.0", "10.0.0.2", "127.0.0.[2", "127.0.0.256", "127.0.0.[7-4]", "::1"} {
		if _, err := ParsePattern(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestReasonsHaveNoNames(t *testing.T) {
	t.Parallel()
	for _, err := range []error{dns.ErrTimeout, dns.ErrServFail} {
		if got := Reason(fmt.Errorf("secret.zone.test: %w", err)); got != err {
			t.Error(got)
		}
	}
	if got := Reason(errors.New("x")).Error(); got != "look-up failed: x" {
		t.Error(got)
	}
}
