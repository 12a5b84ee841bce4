package mailauth

import (
	"context"
	"net/netip"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

func FuzzSPFRecord(f *testing.F) {
	for _, s := range []string{
		"v=spf1", "v=spf1 -all", "V=SPF1 a mx:x.test/24//64 ?ptr ~exists:%{ir}.%{l2r-}.x.test ip4:1.2.3.4/5 ip6:::1 redirect=%{d} exp=%{o}",
		"v=spf1 a:foo:bar/baz.example.com a//0", "v=spf1 include:f.test a:%%%_%-.test moo=%{d}", "v=spf1 all.", "v=spf1 redirect=f.test", "v=spf1 exists:%{p}.f.test -all exp=f.test",
	} {
		f.Add(s, "a-b@c.test", "192.0.2.1")
		f.Add(s, "", "2001:db8::1")
	}
	f.Fuzz(func(t *testing.T, s, from, ip string) {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			addr = netip.AddrFrom4([4]byte{192, 0, 2, 1})
		}
		rec, err := parseSPFRecord(s)
		if err == nil {
			again, err := parseSPFRecord(rec.String())
			if err != nil && len(s) < SPFMaxRecord/2 {
				t.Fatalf("%q printed is %q: %v", s, rec, err)
			}
			if err == nil && again.String() != rec.String() {
				t.Fatalf("%q, printed again %q", rec, again)
			}
		}
		zone := dnstest.Zone{"f.test": {dnstest.TXT(s), dnstest.A("192.0.2.1"), dnstest.MX(1, "f.test")}, dns.ReverseName(addr): {dnstest.PTR("f.test")}}
		in := SPFInput{IP: addr, Helo: "f.test", MailFrom: from}
		got := CheckSPFHelo(context.Background(), zone, in, SPFOptions{})
		if isSPFRecord(s) && (err != nil) && got.Result != PermError {
			t.Fatalf("%q has an error (%v) and gives %+v", s, err, got)
		}
		if !isMacroLiteral(got.Explanation, true) || len(got.Explanation) > SPFMaxExplanation {
			t.Fatalf("explanation %q", got.Explanation)
		}
		if got.Lookups > SPFMaxLookups+1 || got.VoidLookups > SPFMaxVoidLookups+1 {
			t.Fatalf("%+v", got)
		}
		CheckSPF(context.Background(), zone, in, SPFOptions{})
	})
}

func FuzzMacro(f *testing.F) {
	for _, s := range []string{"%{ir}.%{v}._spf.%{d2}", "%{S}%%%_%-", "%{l1r-+,/_=.}", "%{p}", "See http://x.test/?s=%{S}&i=%{C}&r=%{R}&t=%{T}"} {
		f.Add(s, "strong-bad", "a.b.test")
	}
	f.Fuzz(func(t *testing.T, s, local, domain string) {
		in := spfIn("2001:db8::1", "mx.test", "")
		c := newSPFCheck(context.Background(), dnstest.Zone{}, in, SPFOptions{}, local, domain)
		out, ok := c.expand(s, domain)
		if _, err := checkMacros(s, true); err == nil && !ok && len(s)*(len(local)+len(domain)+70) < maxExpansion {
			t.Fatalf("%q is right but cannot be expanded", s)
		}
		if ok && len(out) > maxExpansion && len(s) <= maxExpansion {
			t.Fatalf("%d octets", len(out))
		}
		if name, ok, _ := c.target(s, domain); ok {
			if _, valid := dns.Normal(name); s != "" && !valid {
				t.Fatalf("target %q", name)
			}
		}
	})
}

func BenchmarkSPF(b *testing.B) {
	zone := dnstest.Zone{
		"example.test":      {dnstest.TXT("v=spf1 ip4:198.51.100.0/24 include:_spf.example.test include:_two.example.test ~all")},
		"_spf.example.test": {dnstest.TXT("v=spf1 ip4:203.0.113.0/24 ip4:203.0.112.0/24 ip6:2001:db8::/32 ~all")},
		"_two.example.test": {dnstest.TXT("v=spf1 a mx ip4:192.0.2.0/24 ~all"), dnstest.A("203.0.113.9"), dnstest.MX(1, "_two.example.test")},
	}
	in := spfIn("192.0.2.1", "mx.example.test", "someone@example.test")
	b.ReportAllocs()
	for b.Loop() {
		if got := CheckSPF(context.Background(), zone, in, SPFOptions{}); got.Result != Pass {
			b.Fatal(got)
		}
	}
}

func BenchmarkSPFParse(b *testing.B) {
	const s = "v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ip6:2001:db8::/32 include:_spf.example.test a:%{i}.example.test mx -all"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseSPFRecord(s); err != nil {
			b.Fatal(err)
		}
	}
}
