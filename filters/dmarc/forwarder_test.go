package dmarc

import (
	"net/netip"
	"testing"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
)

func TestForwardersAreKnownByAddressOrProvenDomain(t *testing.T) {
	t.Parallel()
	f, err := New(Options{Forwarders: []string{"192.0.2.0/28", "2001:db8::25", "Forwarder.Example"}}, dns.Zone{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, ip string
		facts    gateway.Facts
		want     bool
	}{
		{"network", "192.0.2.15", gateway.Facts{}, true},
		{"mapped address", "::ffff:192.0.2.1", gateway.Facts{}, true},
		{"outside", "192.0.2.16", gateway.Facts{}, false},
		{"IPv6", "2001:db8::25", gateway.Facts{}, true},
		{"SPF", "203.0.113.1", filtertest.Facts("spf.result", "pass", "spf.domain", "forwarder.example"), true},
		{"SPF that fails", "203.0.113.1", filtertest.Facts("spf.result", "fail", "spf.domain", "forwarder.example"), false},
		{"HELO", "203.0.113.1", filtertest.Facts("spf.helo_result", "pass", "spf.helo_domain", "mx.forwarder.example"), true},
		{"client's name", "203.0.113.1", filtertest.Facts("headers.client_name", "mx1.forwarder.example"), true},
		{"DKIM", "203.0.113.1", filtertest.Facts("dkim.domains", []string{"a.test", "forwarder.example"}), true},
		{"a name that ends so", "203.0.113.1", filtertest.Facts("dkim.domains", []string{"notforwarder.example"}), false},
	} {
		tx := &gateway.Transaction{Session: &gateway.Session{Remote: netip.AddrPortFrom(netip.MustParseAddr(tt.ip), 25)}, Facts: tt.facts}
		if got := f.forwarders.sent(tx); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestWrongForwardersAreErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "com", "*.example.org", "192.0.2.0/33", "a b.example"} {
		if _, err := New(Options{Forwarders: []string{s}}, dns.Zone{}); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}
