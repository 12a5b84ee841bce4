package mailauth

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// suiteRR is a record of a zone in the suites under testdata.
type suiteRR struct {
	Type  string
	Value json.RawMessage
	RCode string
}

type spfCase struct {
	ID, IP, Helo, MailFrom string
	Result                 []string
	Explanation            string
	Zone                   map[string][]suiteRR
}

// suiteZone turns a suite's zone into ours.
func suiteZone(t testing.TB, in map[string][]suiteRR) dnstest.Zone {
	t.Helper()
	z := dnstest.Zone{}
	for name, rrs := range in {
		name = strings.TrimSuffix(name, ".")
		z[name] = []dns.ZoneRecord{}
		for _, rr := range rrs {
			z[name] = append(z[name], suiteRecord(t, rr)...)
		}
	}
	return z
}

func suiteRecord(t testing.TB, rr suiteRR) []dns.ZoneRecord {
	t.Helper()
	if rr.RCode != "" {
		if rr.Type == "ANY" {
			return []dns.ZoneRecord{dnstest.Timeout}
		}
		t.Fatalf("rcode %s for %s", rr.RCode, rr.Type)
	}
	text := func() (s string) {
		if err := json.Unmarshal(rr.Value, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	switch rr.Type {
	case "TXT":
		var parts []string
		if err := json.Unmarshal(rr.Value, &parts); err != nil {
			parts = []string{text()}
		}
		return []dns.ZoneRecord{dnstest.TXT(strings.Join(parts, ""))}
	case "A":
		return []dns.ZoneRecord{dnstest.A(text())}
	case "AAAA":
		return []dns.ZoneRecord{dnstest.AAAA(text())}
	case "PTR":
		return []dns.ZoneRecord{dnstest.PTR(text())}
	case "CNAME":
		return []dns.ZoneRecord{dnstest.CNAME(text())}
	case "MX":
		var pref uint16
		var host string
		if err := json.Unmarshal(rr.Value, &[]any{&pref, &host}); err != nil {
			t.Fatal(err)
		}
		return []dns.ZoneRecord{dnstest.MX(pref, host)}
	case "SPF": // RFC 7208 section 3.1: no longer asked for
		return nil
	}
	t.Fatalf("record of type %s", rr.Type)
	return nil
}

// TestSPFSuite runs the OpenSPF suite.
func TestSPFSuite(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/spf/rfc7208.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []spfCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 203 {
		t.Fatalf("%d cases, want 203", len(cases))
	}
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			in := SPFInput{IP: netip.MustParseAddr(c.IP), Helo: c.Helo, MailFrom: c.MailFrom, Now: time.Unix(0, 0)}
			got := CheckSPF(context.Background(), suiteZone(t, c.Zone), in, SPFOptions{})
			if !slices.Contains(c.Result, string(got.Result)) {
				t.Fatalf("got %+v, want %v", got, c.Result)
			}
			if got.Result == Fail && c.Explanation != "" && c.Explanation != "DEFAULT" && got.Explanation != c.Explanation {
				t.Errorf("explanation %q, want %q", got.Explanation, c.Explanation)
			}
		})
	}
}
