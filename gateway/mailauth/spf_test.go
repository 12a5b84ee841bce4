package mailauth

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

func spfIn(ip, helo, from string) SPFInput {
	return SPFInput{IP: netip.MustParseAddr(ip), Helo: helo, MailFrom: from, Now: time.Unix(1700000000, 0), Receiver: "mx.test"}
}

func TestSPFResults(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{
		"ok.test":            {dnstest.TXT("v=spf1 ip4:192.0.2.0/24 include:inc.test -all exp=why.test")},
		"inc.test":           {dnstest.TXT("v=spf1 ip6:2001:db8::/32 ~all")},
		"why.test":           {dnstest.TXT("%{i} may not send for %{d} at %{t} (%{r}, %{C})")},
		"red.test":           {dnstest.TXT("v=spf1 redirect=ok.test")},
		"none.test":          {dnstest.TXT("something else")},
		"open.test":          {dnstest.TXT("v=spf1 ip4:198.51.100.1")},
		"servfail.test":      {dnstest.ServFail},
		"xn--bcher-kva.test": {dnstest.TXT("v=spf1 a:%{h} ~all")},
		"xn--mx-xka.test":    {dnstest.A("192.0.2.9")},
		"local.test":         {dnstest.TXT("v=spf1 exists:%{l}.u.test -all")},
		"a.u.test":           {dnstest.A("127.0.0.1")},
		"bigexp.test":        {dnstest.TXT("v=spf1 -all exp=long.test")},
		"long.test":          {dnstest.TXT(strings.Repeat("x", 3000))},
		"usexp.test":         {dnstest.TXT("v=spf1 -all exp=l.test")},
		"l.test":             {dnstest.TXT("no %{l}")},
		"loop.test":          {dnstest.TXT("v=spf1 include:loop.test -all")},
		"badinc.test":        {dnstest.TXT("v=spf1 include:none.test -all")},
		"p.test":             {dnstest.TXT("v=spf1 exists:%{p}.ok -exists:%{p}.p.test ?all")},
		"unknown.p.test":     {dnstest.A("127.0.0.1")},
		"huge.test":          {dnstest.TXT("v=spf1 " + strings.Repeat("ip4:192.0.2.1 ", 700) + "-all")},
		"grow.test":          {dnstest.TXT("v=spf1 include:" + strings.Repeat("%{s}", 1500) + ".x.test +all")},
	}
	for _, tt := range []struct {
		name, ip, from string
		want           SPFResult
	}{
		{"pass", "192.0.2.1", "a@ok.test", SPFResult{Result: Pass, Domain: "ok.test", Mechanism: "ip4:192.0.2.0/24"}},
		{"mapped address", "::ffff:192.0.2.1", "a@ok.test", SPFResult{Result: Pass, Domain: "ok.test", Mechanism: "ip4:192.0.2.0/24"}},
		{"include", "2001:db8::1", "a@ok.test", SPFResult{Result: Pass, Domain: "ok.test", Mechanism: "include:inc.test", Lookups: 1}},
		{"fail explains", "203.0.113.7", "a@OK.test.", SPFResult{
			Result: Fail, Domain: "ok.test", Mechanism: "-all", Lookups: 1,
			Explanation: "203.0.113.7 may not send for ok.test at 1700000000 (mx.test, 203.0.113.7)",
		}},
		{"redirect", "192.0.2.1", "a@red.test", SPFResult{Result: Pass, Domain: "red.test", Mechanism: "ip4:192.0.2.0/24", Lookups: 1}},
		{"no record", "192.0.2.1", "a@none.test", SPFResult{Result: None, Domain: "none.test"}},
		{"no domain", "192.0.2.1", "a@nowhere.test", SPFResult{Result: None, Domain: "nowhere.test"}},
		{"default", "192.0.2.1", "a@open.test", SPFResult{Result: Neutral, Domain: "open.test", Mechanism: "default"}},
		{"server failure", "192.0.2.1", "a@servfail.test", SPFResult{Result: TempError, Domain: "servfail.test"}},
		{"single label", "192.0.2.1", "a@localhost", SPFResult{Result: None}},
		{"address as domain", "192.0.2.1", "a@192.0.2.1", SPFResult{Result: None}},
		{"no at sign", "192.0.2.1", "ok.test", SPFResult{Result: Pass, Domain: "ok.test", Mechanism: "ip4:192.0.2.0/24"}},
		{"U-labels in domain and HELO", "192.0.2.9", "a@bücher.test", SPFResult{Result: Pass, Domain: "xn--bcher-kva.test", Mechanism: "a:%{h}", Lookups: 1}},
		{"local part", "192.0.2.9", "A@local.test", SPFResult{Result: Pass, Domain: "local.test", Mechanism: "exists:%{l}.u.test", Lookups: 1}},
		{"local part beyond ASCII never matches", "192.0.2.9", "ä@local.test", SPFResult{Result: Fail, Domain: "local.test", Mechanism: "-all", Lookups: 1}},
		{"explanation is cut", "192.0.2.9", "a@bigexp.test", SPFResult{Result: Fail, Domain: "bigexp.test", Mechanism: "-all", Explanation: strings.Repeat("x", SPFMaxExplanation)}},
		{"explanation with control characters is dropped", "192.0.2.9", "a\r\nb@usexp.test", SPFResult{Result: Fail, Domain: "usexp.test", Mechanism: "-all"}},
		{"include loop", "192.0.2.9", "a@loop.test", SPFResult{Result: PermError, Domain: "loop.test", Mechanism: "include:loop.test", Lookups: 11}},
		{"include of no record", "192.0.2.9", "a@badinc.test", SPFResult{Result: PermError, Domain: "badinc.test", Mechanism: "include:none.test", Lookups: 1}},
		{"%{p} counts once as look-up", "192.0.2.9", "a@p.test", SPFResult{Result: Fail, Domain: "p.test", Mechanism: "-exists:%{p}.p.test", Lookups: 3, VoidLookups: 2}},
		{"record too long", "192.0.2.1", "a@huge.test", SPFResult{Result: PermError, Domain: "huge.test"}},
		{"macros grow out of bounds", "192.0.2.1", "aaaaaaaaaaaaaaaaa@grow.test", SPFResult{Result: PermError, Domain: "grow.test", Mechanism: "include:" + strings.Repeat("%{s}", 1500) + ".x.test", Lookups: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := CheckSPF(context.Background(), zone, spfIn(tt.ip, "müx.test", tt.from), SPFOptions{})
			if (got.Reason == "") == (got.Result == None || got.Result == TempError || got.Result == PermError) {
				t.Errorf("%s has the reason %q", got.Result, got.Reason)
			}
			got.Reason = ""
			tt.want.Identity = "mailfrom"
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestSPFNullSenderMeansHelo(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{"mx.ok.test": {dnstest.TXT("v=spf1 exists:%{l}.x.test -all")}, "postmaster.x.test": {dnstest.A("127.0.0.1")}}
	got := CheckSPF(context.Background(), zone, spfIn("192.0.2.1", "MX.ok.test", ""), SPFOptions{})
	want := SPFResult{Result: Pass, Identity: "helo", Domain: "mx.ok.test", Mechanism: "exists:%{l}.x.test", Lookups: 1}
	if got != want {
		t.Errorf("got %+v", got)
	}
}

func TestSPFVoidLookupsAreConfigurable(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{"v.test": {dnstest.TXT("v=spf1 a:a.test a:b.test a:c.test ?all")}}
	for limit, want := range map[int]Result{0: PermError, 2: PermError, 3: Neutral, -1: PermError} {
		if got := CheckSPF(context.Background(), zone, spfIn("192.0.2.1", "h", "a@v.test"), SPFOptions{MaxVoidLookups: limit}); got.Result != want {
			t.Errorf("limit %d: %+v", limit, got)
		}
	}
}

func TestSPFNullMXIsNoVoidLookup(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{"n.test": {dnstest.TXT("v=spf1 mx a:a.test a:b.test ?all"), dnstest.MX(0, "")}}
	if got := CheckSPF(context.Background(), zone, spfIn("192.0.2.1", "h", "a@n.test"), SPFOptions{}); got.Result != Neutral || got.VoidLookups != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSPFExplanationCountsForNoLimit(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{
		"e.test":   {dnstest.TXT("v=spf1 a:a.test a:b.test -all exp=why.test")},
		"why.test": {dnstest.TXT("from %{p}")},
	}
	got := CheckSPF(context.Background(), zone, spfIn("192.0.2.1", "h", "a@e.test"), SPFOptions{})
	if got.Explanation != "from unknown" || got.VoidLookups != 2 || got.Lookups != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSPFExpansionIsBounded(t *testing.T) {
	t.Parallel()
	c := newSPFCheck(context.Background(), dnstest.Zone{}, spfIn("192.0.2.1", "h", ""), SPFOptions{}, strings.Repeat("l", 1000), "a.test")
	if out, ok := c.expand(strings.Repeat("%{l}", 9), "a.test"); ok {
		t.Errorf("%d octets", len(out))
	}
	if out, ok := c.expand(strings.Repeat("%{l}", 8), "a.test"); !ok || len(out) != 8000 {
		t.Errorf("%d octets, %v", len(out), ok)
	}
}

func TestSPFSyntaxErrorsComeBeforeLookups(t *testing.T) {
	t.Parallel()
	for _, rec := range []string{"v=spf1 a mx foo", "v=spf1 include:a.test exp=", "v=spf1 a:%{z}.test", "v=spf1 a redirect=a.test redirect=b.test", "v=spf1 a\tmx"} {
		r := dnstest.Record(dnstest.Zone{"s.test": {dnstest.TXT(rec), dnstest.A("192.0.2.1")}})
		got := CheckSPF(context.Background(), r, spfIn("192.0.2.1", "h", "a@s.test"), SPFOptions{})
		if q := r.Queries(); got.Result != PermError || len(q) != 1 {
			t.Errorf("%q: %+v after %v", rec, got, q)
		}
	}
}

func TestSPFWaitsNoLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := CheckSPF(t.Context(), dnstest.Hang(), spfIn("192.0.2.1", "h", "a@s.test"), SPFOptions{})
		if got.Result != TempError || time.Since(start) != SPFTimeout {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
	})
}

func TestSPFTimeoutInPTRIsNoFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang, zone := dnstest.Hang(), dnstest.Zone{"s.test": {dnstest.TXT("v=spf1 ptr -all")}}
		r := dnstest.Func(func(ctx context.Context, name string, typ dns.Type) (dns.Answer, error) {
			if typ == dns.TypePTR {
				return hang.Lookup(ctx, name, typ)
			}
			return zone.Lookup(ctx, name, typ)
		})
		if got := CheckSPF(t.Context(), r, spfIn("192.0.2.1", "h", "a@s.test"), SPFOptions{}); got.Result != TempError {
			t.Errorf("%+v", got)
		}
	})
}

func TestSPFQueriesAreBounded(t *testing.T) {
	t.Parallel()
	zone := dnstest.Zone{}
	var terms strings.Builder
	for i := range 10 { // 10 mx terms of 10 hosts each are the most that the limits allow
		fmt.Fprintf(&terms, "mx:m%d.test ", i)
		for j := range 10 {
			host := fmt.Sprintf("h%d-%d.test", i, j)
			zone[fmt.Sprintf("m%d.test", i)] = append(zone[fmt.Sprintf("m%d.test", i)], dnstest.MX(1, host))
			zone[host] = []dns.ZoneRecord{dnstest.A("203.0.113.1")}
		}
	}
	zone["s.test"] = []dns.ZoneRecord{dnstest.TXT("v=spf1 " + terms.String() + "-all")}
	r := dnstest.Record(zone)
	got := CheckSPF(context.Background(), r, spfIn("192.0.2.1", "h", "a@s.test"), SPFOptions{})
	if n := len(r.Queries()); got.Result != Fail || got.Lookups != 10 || n != 111 {
		t.Errorf("%+v after %d queries", got, n)
	}
}

func TestSPFRecordPrints(t *testing.T) {
	t.Parallel()
	in := "V=spf1  +A -MX:x.test/24//64  ?ptr ~exists:%{ir}.%{L2r-+}.x.test ip4:192.0.2.1 ip6:2001:DB8::/33 foo=bar redirect=_s.x.test exp=%{d} "
	want := "v=spf1 a -mx:x.test/24//64 ?ptr ~exists:%{ir}.%{L2r-+}.x.test ip4:192.0.2.1/32 ip6:2001:db8::/33 redirect=_s.x.test exp=%{d}"
	rec, err := parseSPFRecord(in)
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSPFMacros has the examples of RFC 7208 section 7.4.
func TestSPFMacros(t *testing.T) {
	t.Parallel()
	in4, in6 := spfIn("192.0.2.3", "mx.example.org", ""), spfIn("2001:db8::cb01", "mx.example.org", "")
	for _, tt := range []struct {
		in      SPFInput
		s, want string
	}{
		{in4, "%{s}", "strong-bad@email.example.com"},
		{in4, "%{o}", "email.example.com"},
		{in4, "%{d}", "email.example.com"},
		{in4, "%{d4}", "email.example.com"},
		{in4, "%{d3}", "email.example.com"},
		{in4, "%{d2}", "example.com"},
		{in4, "%{d1}", "com"},
		{in4, "%{dr}", "com.example.email"},
		{in4, "%{d2r}", "example.email"},
		{in4, "%{l}", "strong-bad"},
		{in4, "%{l-}", "strong.bad"},
		{in4, "%{lr}", "strong-bad"},
		{in4, "%{lr-}", "bad.strong"},
		{in4, "%{l1r-}", "strong"},
		{in4, "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
		{in4, "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
		{in4, "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
		{in4, "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
		{in4, "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
		{in6, "%{ir}.%{v}._spf.%{d2}", "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"},
		{in4, "%{S}|%%|%_|%-|%{d999}", "strong-bad%40email.example.com|%| |%20|email.example.com"},
		{in4, "%{h}", "mx.example.org"},
	} {
		c := newSPFCheck(context.Background(), dnstest.Zone{}, tt.in, SPFOptions{}, "strong-bad", "email.example.com")
		if _, err := checkMacros(tt.s, true); err != nil {
			t.Errorf("%s: %v", tt.s, err)
		}
		if got, ok := c.expand(tt.s, "email.example.com"); got != tt.want || !ok {
			t.Errorf("%s: got %q, want %q", tt.s, got, tt.want)
		}
	}
	for _, bad := range []string{"%", "%a", "%{", "%{}", "%{d", "%{d0}", "%{d-r}", "%{d2rr}", "%{d;}", "%{x}", "%{1}", "%{c}", "%{r}", "%{t}", "a b", "ä", "\x00"} {
		if _, err := checkMacros(bad, false); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestSPFDomainSpecEnds(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]bool{
		"a.test": true, "a.test.": true, "%{d}": true, "a%%": true, "a%-": true, "x.a-1": true, "%{d}.a1": true,
		"": false, "test": false, "a.1": false, "%%.": false, "%%{d}": false, "a.-b": false, "a.b-": false, "a..": false, "%{d}x": false,
	} {
		if err := checkDomainSpec(spec); (err == nil) != want {
			t.Errorf("%q: %v", spec, err)
		}
	}
}
