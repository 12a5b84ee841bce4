package mailauth

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// oneOrMore is a JSON string or list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(o))
	}
	*o = oneOrMore{""}
	return json.Unmarshal(b, &(*o)[0])
}

type dmarcCase struct {
	ID         string
	Zone       map[string][]suiteRR
	HeaderFrom []string `json:"header_from"`
	SPF        *AuthIdentifier
	DKIM       []AuthIdentifier
	Expect     struct {
		Result, Policy oneOrMore
		PolicyDomain   oneOrMore `json:"policy_domain"`
		OrgDomain      oneOrMore `json:"org_domain"`
		SPFAligned     *bool     `json:"spf_aligned"`
		DKIMAligned    *bool     `json:"dkim_aligned"`
		Queries        []string  `json:"dmarc_queries"`
	}
}

// TestDMARCSuite runs the examples of RFC 9989.
func TestDMARCSuite(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/dmarc/rfc9989.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []dmarcCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 25 {
		t.Fatalf("%d cases, want 25", len(cases))
	}
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			rec := dnstest.Record(suiteZone(t, c.Zone))
			in := DMARCInput{HeaderFrom: c.HeaderFrom, DKIM: c.DKIM}
			if c.SPF != nil {
				in.SPF = *c.SPF
			}
			got := EvaluateDMARC(context.Background(), rec, in)
			word := func(what, got string, want oneOrMore) {
				if len(want) > 0 && !slices.Contains(want, got) {
					t.Errorf("%s %q, want %q (%+v)", what, got, want, got)
				}
			}
			flag := func(what string, got bool, want *bool) {
				if want != nil && got != *want {
					t.Errorf("%s %v", what, got)
				}
			}
			word("result", string(got.Result), c.Expect.Result)
			word("policy", string(got.Policy), c.Expect.Policy)
			word("policy domain", got.PolicyDomain, c.Expect.PolicyDomain)
			word("organizational domain", got.OrgDomain, c.Expect.OrgDomain)
			flag("spf aligned", got.SPFAligned, c.Expect.SPFAligned)
			flag("dkim aligned", got.DKIMAligned, c.Expect.DKIMAligned)
			if q := dmarcQueries(rec.Queries()); c.Expect.Queries != nil && !slices.Equal(q, slices.Sorted(slices.Values(c.Expect.Queries))) {
				t.Errorf("asked %q", q)
			}
		})
	}
}

// dmarcQueries returns the distinct _dmarc names among TXT queries, sorted.
func dmarcQueries(log []string) []string {
	set := map[string]bool{}
	for _, q := range log {
		if name, ok := strings.CutSuffix(q, " TXT"); ok && strings.HasPrefix(name, "_dmarc.") {
			set[name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
