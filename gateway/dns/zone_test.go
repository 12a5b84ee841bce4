package dns_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

const zoneText = `
example.org:
  - {TXT: "v=spf1 -all"}
  - {TXT: [one, " two"]}
  - {A: 192.0.2.1, TTL: 30}
  - AAAA: 2001:db8::1
  - {MX: [20, B.example.org.]}
  - {MX: [10, a.example.org]}
  - {SOA: [ns.example.org, hostmaster.example.org, 1, 2, 3, 4, 300]}
  - {NS: ns.example.org}
nullmx.test: [{MX: [0, ""]}]
_25._tcp.mx.example.org: [{TLSA: [3, 1, 1, 0012e3]}, AUTHENTIC]
www.example.org: [{CNAME: example.org}]
loop.test: [{CNAME: loop2.test}]
loop2.test: [{CNAME: loop.test}]
dangling.test: [{CNAME: nowhere.test}]
"*.wild.test": [{A: 192.0.2.9}]
there.wild.test: [{TXT: x}]
half.test: [{A: SERVFAIL}, {TXT: ok}, TIMEOUT]
gone.test: [NXDOMAIN]
1.2.0.192.in-addr.arpa: [{PTR: Host.Example.org}]
Upper.TEST: [{TXT: "SERVFAIL"}]
signed.test: [{CNAME: in.signed.test}]
in.signed.test: [{A: 192.0.2.5}]
half-signed.signed.test: [{CNAME: example.org}]
foo:bar/baz.example.com: [{A: 192.0.2.7}]
$authentic: [signed.test]
`

func TestZoneAnswers(t *testing.T) {
	t.Parallel()
	z := dnstest.Parse(t, zoneText)
	ask := func(name string, typ dns.Type) string {
		a, err := z.Lookup(t.Context(), name, typ)
		if err != nil {
			s := err.Error()
			return s[strings.LastIndex(s, ": ")+2:]
		}
		var out []string
		for _, r := range a.Records {
			switch {
			case r.IP.IsValid():
				out = append(out, r.IP.String())
			case r.Text != "":
				out = append(out, r.Text)
			default:
				out = append(out, r.Host)
			}
		}
		return strings.Join(append([]string{a.Name}, out...), "|")
	}
	for _, c := range []struct {
		name string
		t    dns.Type
		want string
	}{
		{"example.org", dns.TypeTXT, "example.org|v=spf1 -all|one two"},
		{"EXAMPLE.org.", dns.TypeA, "example.org|192.0.2.1"},
		{"example.org", dns.TypeMX, "example.org|b.example.org|a.example.org"},
		{"nullmx.test", dns.TypeMX, "nullmx.test|"},
		{"www.example.org", dns.TypeAAAA, "example.org|2001:db8::1"},
		{"www.example.org", dns.TypeCNAME, "www.example.org|example.org"},
		{"loop.test", dns.TypeA, "name server failure"},
		{"dangling.test", dns.TypeA, "no such domain"},
		{"a.b.wild.test", dns.TypeA, "a.b.wild.test|192.0.2.9"},
		{"there.wild.test", dns.TypeA, "no record of this type"},
		{"x.there.wild.test", dns.TypeA, "no such domain"},
		{"wild.test", dns.TypeA, "no record of this type"},
		{"tcp.mx.example.org", dns.TypeA, "no such domain"},
		{"_tcp.mx.example.org", dns.TypeA, "no record of this type"},
		{"half.test", dns.TypeA, "name server failure"},
		{"half.test", dns.TypeTXT, "half.test|ok"},
		{"half.test", dns.TypeMX, "name servers did not answer"},
		{"gone.test", dns.TypeMX, "no such domain"},
		{"upper.test", dns.TypeTXT, "upper.test|SERVFAIL"},
		{"a..b", dns.TypeA, "no such domain"},
		{"foo:bar/baz.example.com", dns.TypeA, "foo:bar/baz.example.com|192.0.2.7"},
		{"nothing", dns.TypeA, "no such domain"},
	} {
		if got := ask(c.name, c.t); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.name, c.t, got, c.want)
		}
	}
}

func TestZoneTTLAndAuthentic(t *testing.T) {
	t.Parallel()
	z := dnstest.Parse(t, zoneText)
	for _, c := range []struct {
		name string
		ttl  time.Duration
		ad   bool
	}{
		{"example.org", 30 * time.Second, false},
		{"www.example.org", 30 * time.Second, false},
		{"signed.test", time.Minute, true},
		{"half-signed.signed.test", 30 * time.Second, false},
	} {
		a, err := z.Lookup(t.Context(), c.name, dns.TypeA)
		if err != nil || a.TTL != c.ttl || a.Authentic != c.ad {
			t.Errorf("%s: TTL %v, authentic %v, %v", c.name, a.TTL, a.Authentic, err)
		}
	}
	_, err := z.Lookup(t.Context(), "no.example.org", dns.TypeA)
	var n *dns.NotFound
	if !errors.As(err, &n) || n.TTL != time.Minute || n.Authentic { // the SOA's own TTL is less than 300 s
		t.Errorf("denial: %+v", n)
	}
	if _, err = z.Lookup(t.Context(), "no.signed.test", dns.TypeA); !errors.As(err, &n) || !n.Authentic {
		t.Errorf("signed denial: %+v", n)
	}
	if all := dnstest.Parse(t, "$authentic: true\na.test: [{A: 192.0.2.1}]"); true {
		if a, err := all.Lookup(t.Context(), "a.test", dns.TypeA); err != nil || !a.Authentic {
			t.Errorf("$authentic: true: %+v, %v", a, err)
		}
	}
}

func TestZoneErrorsTellTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"- a":                               "z:1:1: a zone maps",
		"a.test: [{A: 1.2.3}]":              `z:1:14: "1.2.3" is no address of an A record`,
		"a.test: [{A: 2001:db8::1}]":        "is no address of an A record",
		"a.test:\n - {MX: [70000, b.test]}": `z:2:10: "70000" is no number below 2^16`,
		"a.test: [{MX: 10}]":                "the value is [preference, host]",
		"a.test: [{XX: 1}]":                 `z:1:11: unknown record type "XX"`,
		"a.test: [LATER]":                   "z:1:10: an entry is",
		"a..test: [TIMEOUT]":                `z:1:1: "a..test" is no domain name`,
		"a.test: [{TLSA: [3,1,1,xy]}]":      "is not hexadecimal",
		"a.test: [{TXT: *x}]":               "z:1:",
		"a.test: [{TXT: {a: b}}]":           "a plain value is wanted",
		"a.test: [{CNAME: a..b}]":           "is no domain name",
		"a.test: [{A: 192.0.2.1, TTL: -1}]": "is no number below 2^31",
		"a.test: [{A: ":                     "z:1:",
		"a.test: []\na.test: []":            "z:2:1: ",
		strings.Repeat("[", 201):            "nested too deep",
		strings.Repeat("#", 1<<20+1):        "larger than",
	} {
		if _, err := dns.ParseZone("z", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	_, err := dns.ParseZone("z", []byte("a.test: [LATER, {A: x}]"))
	if n := len(strings.Split(err.Error(), "\n")); n != 2 {
		t.Errorf("%d errors at once, want 2: %v", n, err)
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	ctx, z := t.Context(), dnstest.Zone{
		"a.test":  {dnstest.TXT("x"), dnstest.MX(20, "b.test"), dnstest.MX(10, "A.test."), dnstest.A("192.0.2.1"), dnstest.AAAA("2001:db8::1")},
		"4.test":  {dnstest.A("192.0.2.1"), dnstest.Fail(dns.TypeAAAA, dns.ErrTimeout)},
		"6.test":  {dnstest.Fail(dns.TypeA, dns.ErrServFail)},
		"no.test": {dnstest.TXT("x"), dnstest.Authentic},
		"t.test":  {dnstest.TLSA(3, 1, 1, "abcd")},

		"1.2.0.192.in-addr.arpa": {dnstest.PTR("A.test")},
	}
	mx, _, err := dns.LookupMX(ctx, z, "a.test")
	if err != nil || !slices.Equal(mx, []dns.MX{{10, "a.test"}, {20, "b.test"}}) {
		t.Errorf("MX %v, %v", mx, err)
	}
	ips, _, err := dns.LookupIP(ctx, z, "a.test")
	if err != nil || len(ips) != 2 || ips[0] != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("IP %v, %v", ips, err)
	}
	if ips, _, err = dns.LookupIP(ctx, z, "4.test"); err != nil || len(ips) != 1 {
		t.Errorf("one family is enough: %v, %v", ips, err)
	}
	if _, _, err = dns.LookupIP(ctx, z, "6.test"); !errors.Is(err, dns.ErrServFail) {
		t.Errorf("a failure hides behind no data: %v", err)
	}
	if _, ad, err := dns.LookupIP(ctx, z, "no.test"); !dns.IsNotFound(err) || !ad {
		t.Errorf("authentic denial: %v, %v", ad, err)
	}
	if ptr, _, err := dns.LookupPTR(ctx, z, netip.MustParseAddr("192.0.2.1")); err != nil || ptr[0] != "a.test" {
		t.Errorf("PTR %v, %v", ptr, err)
	}
	if tlsa, _, err := dns.LookupTLSA(ctx, z, "t.test"); err != nil || tlsa[0].Usage != 3 || len(tlsa[0].Data) != 2 {
		t.Errorf("TLSA %v, %v", tlsa, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err = dns.LookupTXT(ctx, z, "a.test"); !errors.Is(err, context.Canceled) || !errors.Is(err, dns.ErrTimeout) {
		t.Errorf("ended ctx: %v", err)
	}
}

func FuzzZone(f *testing.F) {
	f.Add([]byte(zoneText))
	f.Add([]byte("a: [{A: &x 1.2.3.4}, *x]\n"))
	f.Add([]byte("a: !!str [b]\n? [c]\n: d\n<<: {a: b}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		z, err := dns.ParseZone("z", data)
		if err != nil {
			return
		}
		for name := range z {
			for _, typ := range []dns.Type{dns.TypeA, dns.TypeTXT, dns.TypeMX, dns.TypeTLSA} {
				_, _ = z.Lookup(t.Context(), name, typ)
			}
		}
	})
}
