package report_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/test/peers"
)

const aggregate = `<?xml version="1.0" encoding="UTF-8" ?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version>
<report_metadata><org_name>Receiver</org_name><email>dmarc@example.net</email><report_id>r1</report_id>
<date_range><begin>1761091200</begin><end>1761177600</end></date_range><error>one</error></report_metadata>
<policy_published><domain>example.org</domain><adkim>r</adkim><aspf>S</aspf><p>reject</p><sp>none</sp><np>reject</np><testing>n</testing><discovery_method>treewalk</discovery_method></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>12</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>
<reason><type>trusted_forwarder</type><comment>list</comment></reason></policy_evaluated></row>
<identifiers><header_from>example.org</header_from><envelope_from>bounce.example.org</envelope_from></identifiers>
<auth_results><dkim><domain>example.org</domain><selector>s1</selector><result>fail</result></dkim><dkim><domain>list.example</domain><result>pass</result></dkim>
<spf><domain>bounce.example.org</domain><scope>mfrom</scope><result>pass</result></spf></auth_results></record>
<record><row><source_ip>2001:db8::1</source_ip><count>1</count></row></record></feedback>`

func packed(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, name, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAggregateInEveryWrapping(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{"xml": []byte(aggregate), "gzip": packed(t, aggregate), "zip": zipped(t, "a.xml", aggregate)} {
		a, err := report.ReadAggregate(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a.OrgName != "Receiver" || a.ReportID != "r1" || !a.Begin.Equal(time.Unix(1761091200, 0)) || !a.End.Equal(time.Unix(1761177600, 0)) || len(a.Errors) != 1 {
			t.Errorf("%s: %+v", name, a)
		}
		p := a.Policy
		if p.Domain != "example.org" || p.P != "reject" || p.SP != "none" || p.NP != "reject" || p.ADKIM != "r" || p.ASPF != "s" || p.Testing != "n" || p.DiscoveryMethod != "treewalk" {
			t.Errorf("%s: policy %+v", name, p)
		}
		if len(a.Records) != 2 {
			t.Fatalf("%s: %d records", name, len(a.Records))
		}
		r := a.Records[0]
		if r.Source != netip.MustParseAddr("192.0.2.1") || r.Count != 12 || r.Disposition != "none" || r.DKIM != "fail" || r.SPF != "pass" || r.HeaderFrom != "example.org" || r.EnvelopeFrom != "bounce.example.org" {
			t.Errorf("%s: record %+v", name, r)
		}
		if len(r.Reasons) != 1 || r.Reasons[0] != (report.AggregateReason{Type: "trusted_forwarder", Comment: "list"}) || len(r.AuthDKIM) != 2 || r.AuthDKIM[1].Domain != "list.example" || r.AuthDKIM[0].Selector != "s1" || r.AuthSPF[0].Scope != "mfrom" {
			t.Errorf("%s: record %+v", name, r)
		}
	}
}

func TestAggregateBounds(t *testing.T) {
	t.Parallel()
	bomb := strings.Replace(aggregate, "Receiver", strings.Repeat(" ", 8<<20), 1)
	deep := "<feedback>" + strings.Repeat("<a>", 100)
	many := strings.Replace(aggregate, "<record>", strings.Repeat("<record></record>", report.MaxAggregateRecords)+"<record>", 1)
	crowd := append(bytes.Repeat([]byte("PK\x01\x02"+strings.Repeat("\x00", 42)), 101), zipped(t, "r.xml", aggregate)...)
	crowd = append([]byte("PK\x03\x04"), crowd...)
	for name, b := range map[string][]byte{"crowd": crowd, "gzip bomb": packed(t, bomb), "zip bomb": zipped(t, "r.xml", bomb), "deep": []byte(deep), "many": []byte(many)} {
		if _, err := report.ReadAggregate(bytes.NewReader(b)); !errors.Is(err, report.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"empty": nil, "other": []byte("<html></html>"), "cut": []byte(aggregate[:800]), "text": []byte("hello"), "gzip cut": packed(t, aggregate)[:30], "zip cut": zipped(t, "r", aggregate)[:40],
		"entity": []byte(`<!DOCTYPE f [<!ENTITY a "b">]><feedback><version>&a;</version></feedback>`),
	} {
		if _, err := report.ReadAggregate(bytes.NewReader(b)); !errors.Is(err, report.ErrNoAggregate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAggregateReportsOfOthers compares with what another implementation reads.
func TestAggregateReportsOfOthers(t *testing.T) {
	t.Parallel()
	for _, f := range peers.SuiteFiles(t, "reports/dmarc-aggregate/*.json") {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Meta struct {
				Org   string                     `json:"org_name"`
				ID    string                     `json:"report_id"`
				Range struct{ Begin, End int64 } `json:"date_range"`
				Error []string
			} `json:"report_metadata"`
			Policy struct{ Domain, P, SP, ADKIM, ASPF string } `json:"policy_published"`
			Record []struct {
				Row struct {
					IP     string `json:"source_ip"`
					Count  uint64
					Policy struct {
						Disposition, DKIM, SPF string
						Reason                 []struct{ Comment *string }
					} `json:"policy_evaluated"`
				}
				ID   struct{ Header_from, Envelope_from string } `json:"identifiers"`
				Auth struct {
					DKIM []struct{ Domain, Selector, Result string }
					SPF  []struct{ Domain, Result string }
				} `json:"auth_results"`
			}
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		base := strings.TrimSuffix(f, ".json")
		var a *report.Aggregate
		if xml, err2 := os.ReadFile(base + ".xml"); err2 == nil {
			a, err = report.ReadAggregate(bytes.NewReader(xml))
		} else {
			h, body := open(t, base+".eml")
			a, err = report.ReadAggregateMessage(h, body)
		}
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		same := func(x, y string) bool { return strings.EqualFold(x, y) || x == "" && y == "Unspecified" }
		long := map[string]string{"r": "Relaxed", "s": "Strict"}
		if a.OrgName != want.Meta.Org || a.ReportID != want.Meta.ID || a.Begin.Unix() != want.Meta.Range.Begin || a.End.Unix() != want.Meta.Range.End || len(a.Errors) != len(want.Meta.Error) ||
			a.Policy.Domain != want.Policy.Domain || !same(a.Policy.P, want.Policy.P) || !same(a.Policy.SP, want.Policy.SP) || !same(long[a.Policy.ADKIM], want.Policy.ADKIM) || !same(long[a.Policy.ASPF], want.Policy.ASPF) || len(a.Records) != len(want.Record) {
			t.Errorf("%s: %+v, want %+v", f, a, want)
			continue
		}
		for i, r := range a.Records {
			w := want.Record[i]
			ok := r.Source.String() == w.Row.IP && r.Count == w.Row.Count && same(r.Disposition, w.Row.Policy.Disposition) && same(r.DKIM, w.Row.Policy.DKIM) && same(r.SPF, w.Row.Policy.SPF) && len(r.Reasons) == len(w.Row.Policy.Reason) &&
				r.HeaderFrom == w.ID.Header_from && r.EnvelopeFrom == w.ID.Envelope_from && len(r.AuthDKIM) == len(w.Auth.DKIM) && len(r.AuthSPF) == len(w.Auth.SPF)
			for j := range w.Auth.DKIM {
				ok = ok && r.AuthDKIM[j].Domain == w.Auth.DKIM[j].Domain && r.AuthDKIM[j].Selector == w.Auth.DKIM[j].Selector && same(r.AuthDKIM[j].Result, w.Auth.DKIM[j].Result)
			}
			for j := range w.Auth.SPF {
				ok = ok && r.AuthSPF[j].Domain == w.Auth.SPF[j].Domain && same(r.AuthSPF[j].Result, w.Auth.SPF[j].Result)
			}
			if !ok {
				t.Errorf("%s: record %d: %+v, want %+v", f, i, r, w)
			}
		}
	}
}
