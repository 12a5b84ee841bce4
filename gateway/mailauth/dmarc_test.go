package mailauth

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

func dmarcZone(records ...string) dnstest.Zone {
	z := dnstest.Zone{}
	for i := 0; i < len(records); i += 2 {
		name := "_dmarc." + records[i]
		z[name] = append(z[name], dnstest.TXT(records[i+1]))
	}
	return z
}

func TestDMARCOutcomes(t *testing.T) {
	t.Parallel()
	pass := func(d string) AuthIdentifier { return AuthIdentifier{Pass, d} }
	list := func(ids ...AuthIdentifier) []AuthIdentifier { return ids }
	with := func(z dnstest.Zone, name string, rr ...dns.ZoneRecord) dnstest.Zone { z[name] = rr; return z }
	reject := dmarcZone("example.com", "v=DMARC1; p=reject; sp=quarantine; np=none")
	for _, tt := range []struct {
		name string
		zone dnstest.Zone
		from string // several separated by spaces
		spf  AuthIdentifier
		dkim []AuthIdentifier
		want string // result/disposition/policy domain/org domain
	}{
		{"own domain fails", reject, "a@example.com", AuthIdentifier{}, nil, "fail/reject/example.com/example.com"},
		{"existing subdomain: sp", with(dmarcZone("example.com", "v=DMARC1; p=reject; sp=quarantine; np=none"), "a.example.com", dnstest.MX(1, "m.test")), "a.example.com", AuthIdentifier{}, nil, "fail/quarantine/example.com/example.com"},
		{"missing subdomain: np", reject, "b.example.com", AuthIdentifier{}, nil, "fail/none/example.com/example.com"},
		{"alias of a missing name exists", with(dmarcZone("example.com", "v=DMARC1; p=reject; np=none"), "a.example.com", dnstest.CNAME("gone.test")), "a.example.com", AuthIdentifier{}, nil, "fail/reject/example.com/example.com"},
		{"np does not matter to a pass", with(dmarcZone("example.com", "v=DMARC1; p=reject; np=none"), "a.example.com", dnstest.Timeout), "a.example.com", pass("example.com"), nil, "pass/none/example.com/example.com"},
		{"np cannot be found out", with(dmarcZone("example.com", "v=DMARC1; p=reject; np=none"), "a.example.com", dnstest.Timeout), "a.example.com", AuthIdentifier{}, nil, "temperror/none/example.com/example.com"},
		{"np without sp", dmarcZone("example.com", "v=DMARC1; p=none; np=reject"), "b.example.com", AuthIdentifier{}, nil, "fail/reject/example.com/example.com"},
		{"psd=n ends the walk", dmarcZone("a.example.com", "v=DMARC1; p=none; psd=n", "example.com", "v=DMARC1; p=reject"), "b.a.example.com", pass("example.com"), nil, "fail/none/a.example.com/a.example.com"},
		{"psd=y: organisation one below, policy of the PSD", dmarcZone("com", "v=DMARC1; p=reject; psd=y", "x.example.com", "v=DMARC1; p=none"), "y.x.example.com", pass("z.example.com"), nil, "pass/none/com/example.com"},
		{"psd=y: neighbours are not aligned", dmarcZone("com", "v=DMARC1; p=reject; psd=y"), "one.com", pass("two.com"), nil, "fail/reject/com/one.com"},
		{"PSD itself as author", dmarcZone("com", "v=DMARC1; p=reject; psd=y"), "com", pass("one.com"), nil, "fail/reject/com/com"},
		{"record with the fewest labels", dmarcZone("b.c.example.com", "v=DMARC1; p=reject", "example.com", "v=DMARC1; p=quarantine"), "a.b.c.example.com", AuthIdentifier{}, nil, "fail/quarantine/example.com/example.com"},
		{"own record before the organisation's", dmarcZone("b.example.com", "v=DMARC1; p=quarantine", "example.com", "v=DMARC1; p=reject"), "b.example.com", pass("c.example.com"), nil, "pass/none/b.example.com/example.com"},
		{"identifier with psd=n of its own", dmarcZone("b.example.com", "v=DMARC1; p=none; psd=n", "example.com", "v=DMARC1; p=reject"), "example.com", pass("b.example.com"), nil, "fail/reject/example.com/example.com"},
		{"testing lowers the policy", dmarcZone("example.com", "v=DMARC1; p=quarantine; t=y"), "example.com", AuthIdentifier{}, nil, "fail/none/example.com/example.com"},
		{"strict SPF, relaxed DKIM", dmarcZone("example.com", "v=DMARC1; p=reject; aspf=s"), "example.com", pass("a.example.com"), list(pass("b.example.com")), "pass/none/example.com/example.com"},
		{"identifiers are compared without case and final dot", reject, "A@EXAMPLE.com.", pass("Example.COM."), nil, "pass/none/example.com/example.com"},
		{"U-labels", dmarcZone("xn--bcher-kva.test", "v=DMARC1; p=reject"), "x@bücher.test", pass("BÜCHER.test"), nil, "pass/none/xn--bcher-kva.test/xn--bcher-kva.test"},
		{"failed identifiers do not count", reject, "example.com", AuthIdentifier{Fail, "example.com"}, list(AuthIdentifier{Fail, "example.com"}, AuthIdentifier{Policy, "example.com"}), "fail/reject/example.com/example.com"},
		{"an aligned temperror leaves it open", reject, "example.com", AuthIdentifier{TempError, "a.example.com"}, nil, "temperror/none/example.com/example.com"},
		{"another's temperror does not", reject, "example.com", AuthIdentifier{TempError, "evil.test"}, list(AuthIdentifier{TempError, "evil.test"}), "fail/reject/example.com/example.com"},
		{"a pass beats a temperror", reject, "example.com", AuthIdentifier{TempError, "example.com"}, list(pass("example.com")), "pass/none/example.com/example.com"},
		{"no record", dnstest.Zone{}, "example.com", pass("example.com"), nil, "none/none//example.com"},
		{"author's query fails", with(dnstest.Zone{}, "_dmarc.example.com", dnstest.ServFail), "example.com", pass("example.com"), nil, "temperror/none//example.com"},
		{"a parent's query fails, exact match", with(dmarcZone("example.com", "v=DMARC1; p=reject"), "_dmarc.com", dnstest.ServFail), "example.com", pass("example.com"), nil, "pass/none/example.com/example.com"},
		{"a parent's query fails, relaxed match", with(dmarcZone("example.com", "v=DMARC1; p=reject"), "_dmarc.com", dnstest.ServFail), "example.com", pass("a.example.com"), nil, "temperror/none/example.com/example.com"},
		{"bad sp with rua is p=none", dmarcZone("example.com", "v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.test"), "example.com", AuthIdentifier{}, nil, "fail/none/example.com/example.com"},
		{"bad np without rua is no DMARC", dmarcZone("example.com", "v=DMARC1; p=reject; np=bad; rua=nonsense"), "example.com", AuthIdentifier{}, nil, "none/none//example.com"},
		{"no author", reject, "", pass("example.com"), nil, "none/none//"},
		{"author without a name", reject, "a@[192.0.2.1]", pass("example.com"), nil, "none/none//"},
		{"two authors, one of them forged", reject, "a@good.test b@example.com", pass("good.test"), nil, "fail/reject/example.com/example.com"},
		{"two authors, one without a record", reject, "a@example.com b@good.test", pass("example.com"), nil, "none/none//good.test"},
		{"two authors of one domain", reject, "a@example.com b@EXAMPLE.com", pass("example.com"), nil, "pass/none/example.com/example.com"},
		{"an author that is no name hides no other", reject, "a@example.com b@a..b", AuthIdentifier{}, nil, "fail/reject/example.com/example.com"},
		{"and lends no pass", reject, "a@example.com b@a..b", pass("example.com"), nil, "none/none//"},
		{"too many authors", reject, "a.test b.test c.test d.test example.com", pass("example.com"), nil, "permerror/none//"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := EvaluateDMARC(context.Background(), tt.zone, DMARCInput{strings.Fields(tt.from), tt.spf, tt.dkim})
			if s := fmt.Sprintf("%s/%s/%s/%s", got.Result, got.Disposition, got.PolicyDomain, got.OrgDomain); s != tt.want {
				t.Errorf("got %s, want %s (%+v)", s, tt.want, got)
			}
			if open := got.Result != Pass && got.Result != Fail; open == (got.Reason == "") {
				t.Errorf("%s has the reason %q", got.Result, got.Reason)
			}
		})
	}
}

func TestDMARCAsksNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	zone := dmarcZone("example.com", "v=DMARC1; p=reject; np=reject")
	r := dnstest.Record(zone)
	dkim := []AuthIdentifier{{Pass, "a.b.evil.test"}, {Fail, "x.example.com"}, {Pass, "example.com"}, {Pass, "y.example.com"}}
	got := EvaluateDMARC(context.Background(), r, DMARCInput{[]string{"example.com"}, AuthIdentifier{Pass, "evil.test"}, dkim})
	want := []string{"_dmarc.example.com TXT", "_dmarc.com TXT"}
	if q := r.Queries(); got.Result != Pass || !reflect.DeepEqual(q, want) {
		t.Errorf("%+v after %q", got, q)
	}
}

func TestDMARCQueriesAreBounded(t *testing.T) {
	t.Parallel()
	var dkim []AuthIdentifier
	for i := range 200 {
		dkim = append(dkim, AuthIdentifier{Pass, fmt.Sprintf("%s%d.example.com", strings.Repeat("a.", 20), i)})
	}
	// psd=n in the way, so that none is aligned and all are walked.
	r := dnstest.Record(dnstest.Func(func(_ context.Context, name string, _ dns.Type) (dns.Answer, error) {
		if strings.HasPrefix(name, "_dmarc.a.a.a.a.") {
			return dns.Answer{Records: []dns.Record{{Text: "v=DMARC1; p=none; psd=n"}}}, nil
		}
		return dmarcZone("example.com", "v=DMARC1; p=reject").Lookup(context.Background(), name, dns.TypeTXT)
	}))
	got := EvaluateDMARC(context.Background(), r, DMARCInput{[]string{"example.com"}, AuthIdentifier{}, dkim})
	if n := len(r.Queries()); got.Result != Fail || n != 2+DMARCMaxIdentifiers {
		t.Errorf("%+v after %d queries", got, n)
	}
}

func TestDMARCWaitsNoLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := EvaluateDMARC(t.Context(), dnstest.Hang(), DMARCInput{HeaderFrom: []string{"a.example.com"}})
		if got.Result != TempError || time.Since(start) != DMARCTimeout {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
	})
}

func TestDMARCRecordParses(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"v=DMARC1":                              "v=DMARC1",
		"v=DMARC1;":                             "v=DMARC1",
		"V = DMARC1 ; P = REJECT ; SP=None;;":   "v=DMARC1; p=reject; sp=none",
		"v=DMARC1; p=none; p=reject":            "v=DMARC1; p=none",
		"v=DMARC1; psd=Y; t=Y; adkim=S; aspf=x": "v=DMARC1; psd=y; t=y; adkim=s",
		"v=DMARC1; fo=d:s:1; ruf=mailto:a@b.test!10m , https://x.test/y,nonsense": "v=DMARC1; fo=d:s:1; ruf=mailto:a@b.test,https://x.test/y",
		"v=DMARC1; fo=0:1; rua=mailto:x":                                          "v=DMARC1",
		"v=DMARC1; garbage; =x; np=reject; pct=50; rf=a":                          "v=DMARC1; np=reject",
	} {
		rec, ok := ParseDMARCRecord(s)
		if got := rec.String(); !ok || got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	for _, s := range []string{"", "v", "v=DMARC", "v=dmarc1; p=none", "v=DMARC1 p=none", " v=DMARC1", "p=none; v=DMARC1", "v=DMARC1.", "v=spf1 -all", "v=DMARC1;" + strings.Repeat(" ", DMARCMaxRecord)} {
		if rec, ok := ParseDMARCRecord(s); ok {
			t.Errorf("%q is taken: %v", s, rec)
		}
	}
	for s, want := range map[string]bool{"v=DMARC1": true, "v=DMARC1; p=bad": true, "v=DMARC1; p=none; sp=bad": true, "v=DMARC1; p=none; np=": true, "v=DMARC1; p=none": false} {
		if rec, _ := ParseDMARCRecord(s); rec.Broken != want {
			t.Errorf("%q: broken is %v", s, rec.Broken)
		}
	}
}

func FuzzDMARCRecord(f *testing.F) {
	for _, s := range []string{"v=DMARC1", "v=DMARC1; p=reject; sp=quarantine; np=none; psd=y; t=y; adkim=s; aspf=s; fo=1:d:s; rua=mailto:a@b.test!10m,https://x.test; ruf=mailto:a@b", "v=DMARC1; p", "v = DMARC1 ; psd = n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rec, ok := ParseDMARCRecord(s)
		if !ok {
			return
		}
		again, ok := ParseDMARCRecord(rec.String())
		again.Broken = rec.Broken // a malformed tag is not printed
		if !ok || !reflect.DeepEqual(rec, again) {
			t.Fatalf("%q is %+v, printed and parsed %+v", s, rec, again)
		}
		EvaluateDMARC(context.Background(), dmarcZone("a.test", s, "b.a.test", s), DMARCInput{HeaderFrom: []string{"x@c.b.a.test"}, SPF: AuthIdentifier{Pass, "a.test"}})
	})
}

func BenchmarkDMARC(b *testing.B) {
	zone := dmarcZone("example.com", "v=DMARC1; p=reject; rua=mailto:dmarc@example.com")
	in := DMARCInput{[]string{"mail.example.com"}, AuthIdentifier{Pass, "bounce.example.com"}, []AuthIdentifier{{Pass, "example.com"}}}
	b.ReportAllocs()
	for b.Loop() {
		if got := EvaluateDMARC(context.Background(), zone, in); got.Result != Pass {
			b.Fatal(got)
		}
	}
}
