package dane_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
)

func a(ip string) dns.ZoneRecord {
	addr := netip.MustParseAddr(ip)
	if addr.Is4() {
		return dns.ZoneRecord{Type: dns.TypeA, Record: dns.Record{IP: addr}}
	}
	return dns.ZoneRecord{Type: dns.TypeAAAA, Record: dns.Record{IP: addr}}
}

func cname(to string) dns.ZoneRecord {
	return dns.ZoneRecord{Type: dns.TypeCNAME, Record: dns.Record{Host: to}}
}

func tlsa(r dns.TLSA) dns.ZoneRecord {
	return dns.ZoneRecord{Type: dns.TypeTLSA, Record: dns.Record{TLSA: &r}}
}

func fail(t dns.Type, err error) dns.ZoneRecord { return dns.ZoneRecord{Type: t, Fail: err} }

var (
	secure = dns.ZoneRecord{Authentic: true}
	digest = dns.TLSA{Usage: 3, Selector: 1, MatchingType: 1, Data: make([]byte, 32)}
	pkix   = dns.TLSA{Usage: 1, Selector: 1, MatchingType: 1, Data: make([]byte, 32)}
)

func TestLookup(t *testing.T) {
	t.Parallel()
	const mx, rr = "mx.example.com", "_25._tcp.mx.example.com"
	for name, c := range map[string]struct {
		zone   dns.Zone
		status dane.Status
		base   string
		err    error
	}{
		"usable":            {dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {secure, tlsa(digest)}}, dane.Usable, mx, nil},
		"unusable":          {dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {secure, tlsa(pkix)}}, dane.Unusable, mx, nil},
		"one of two usable": {dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {secure, tlsa(pkix), tlsa(digest)}}, dane.Usable, mx, nil},
		"no records":        {dns.Zone{mx: {secure, a("192.0.2.1")}}, dane.None, "", nil},
		"records insecure":  {dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {tlsa(digest)}}, dane.None, "", nil},
		"address insecure":  {dns.Zone{mx: {a("192.0.2.1")}, rr: {secure, tlsa(digest)}}, dane.None, "", nil},
		"records fail":      {dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {fail(0, dns.ErrServFail)}}, 0, "", dns.ErrServFail},
		"records time out":  {dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {fail(0, dns.ErrTimeout)}}, 0, "", dns.ErrTimeout},
		"address fails":     {dns.Zone{mx: {fail(0, dns.ErrServFail)}, rr: {secure, tlsa(digest)}}, 0, "", dns.ErrServFail},
		// Whoever makes one of the answers fail must not switch DANE off.
		"AAAA fails": {dns.Zone{mx: {secure, a("192.0.2.1"), fail(dns.TypeAAAA, dns.ErrTimeout)}, rr: {secure, tlsa(digest)}}, dane.Usable, mx, nil},
		"A fails":    {dns.Zone{mx: {secure, a("2001:db8::1"), fail(dns.TypeA, dns.ErrServFail)}, rr: {secure, tlsa(digest)}}, dane.Usable, mx, nil},
		"IPv6 only":  {dns.Zone{mx: {secure, a("2001:db8::1")}, rr: {secure, tlsa(digest)}}, dane.Usable, mx, nil},
		"secure alias, records at its end": {
			dns.Zone{mx: {secure, cname("a.example.net")}, "a.example.net": {secure, a("192.0.2.1")}, "_25._tcp.a.example.net": {secure, tlsa(digest)}, rr: {secure, tlsa(pkix)}},
			dane.Usable, "a.example.net", nil,
		},
		"secure alias, records at its beginning": {
			dns.Zone{mx: {secure, cname("a.example.net")}, "a.example.net": {secure, a("192.0.2.1")}, rr: {secure, tlsa(digest)}},
			dane.Usable, mx, nil,
		},
		"alias out of the secure part": {
			dns.Zone{mx: {secure, cname("a.example.net")}, "a.example.net": {a("192.0.2.1")}, rr: {secure, tlsa(digest)}, "_25._tcp.a.example.net": {tlsa(digest)}},
			dane.Usable, mx, nil,
		},
		"insecure alias": {
			dns.Zone{mx: {cname("a.example.net")}, "a.example.net": {secure, a("192.0.2.1")}, "_25._tcp.a.example.net": {secure, tlsa(digest)}},
			dane.None, "", nil,
		},
		"TLSA is an alias": {
			dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {secure, cname("tlsa.example.net")}, "tlsa.example.net": {secure, tlsa(digest)}},
			dane.Usable, mx, nil,
		},
		"TLSA is an alias out of the secure part": {
			dns.Zone{mx: {secure, a("192.0.2.1")}, rr: {secure, cname("tlsa.example.net")}, "tlsa.example.net": {tlsa(digest)}},
			dane.None, "", nil,
		},
		"no such host": {dns.Zone{"example.com": {secure}}, dane.None, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := dane.Lookup(t.Context(), c.zone, dane.Host{Name: mx, MXAuthentic: true})
			if !errors.Is(err, c.err) || set.Status != c.status || set.Base != c.base {
				t.Errorf("%s at %q, %v", set.Status, set.Base, err)
			}
			if set, err = dane.Lookup(t.Context(), c.zone, dane.Host{Name: mx}); err != nil || set.Status != dane.None {
				t.Errorf("insecure MX: %s, %v", set.Status, err)
			}
		})
	}
}

func TestNamesAndPort(t *testing.T) {
	t.Parallel()
	zone := dns.Zone{
		"mx.example.com": {secure, cname("a.example.net")}, "a.example.net": {secure, a("192.0.2.1")},
		"_587._tcp.a.example.net": {secure, tlsa(digest), tlsa(pkix)},
	}
	set, err := dane.Lookup(t.Context(), zone, dane.Host{Name: "MX.example.com.", Port: 587, MXAuthentic: true, Domain: "Example.org", Canonical: "real.example.org"})
	if err != nil || !slices.Equal(set.Names, []string{"a.example.net", "example.org", "real.example.org"}) {
		t.Errorf("%q, %v", set.Names, err)
	}
	if len(set.Skipped) != 2 || set.Skipped[0] != nil || set.Skipped[1] == nil {
		t.Errorf("%v", set.Skipped)
	}
	if s := set.Strings(); len(s) != 2 || s[0] != "3 1 1 0000000000000000000000000000000000000000000000000000000000000000" {
		t.Errorf("%q", s)
	}
}

// TestRecordsHaveOneOrder: resolvers turn them round from answer to answer.
func TestRecordsHaveOneOrder(t *testing.T) {
	t.Parallel()
	const mx, rr = "mx.example.com", "_25._tcp.mx.example.com"
	other := digest
	other.Data = append([]byte{1}, make([]byte, 31)...)
	var seen []string
	for _, list := range [][]dns.ZoneRecord{{tlsa(digest), tlsa(other), tlsa(pkix)}, {tlsa(pkix), tlsa(digest), tlsa(other)}, {tlsa(other), tlsa(pkix), tlsa(digest)}} {
		set, err := dane.Lookup(t.Context(), dns.Zone{mx: {secure, a("192.0.2.1")}, rr: append(list, secure)}, dane.Host{Name: mx, MXAuthentic: true})
		if err != nil || len(set.Records) != 3 || set.Skipped[0] != nil || set.Skipped[2] == nil {
			t.Fatalf("%+v, %v", set, err)
		}
		if seen != nil && !slices.Equal(seen, set.Strings()) {
			t.Errorf("%q, then %q", seen, set.Strings())
		}
		seen = set.Strings()
	}
}
