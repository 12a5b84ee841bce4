package report_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/test/peers"
)

// TestFeedbackReportsOfOthers compares with what another implementation reads.
func TestFeedbackReportsOfOthers(t *testing.T) {
	t.Parallel()
	for _, name := range peers.SuiteFiles(t, "reports/arf/*.json") {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Type      string   `json:"feedback_type"`
			Arrival   *int64   `json:"arrival_date"`
			Auth      []string `json:"authentication_results"`
			Incidents int
			EnvID     *string  `json:"original_envelope_id"`
			MailFrom  *string  `json:"original_mail_from"`
			RcptTo    *string  `json:"original_rcpt_to"`
			Domains   []string `json:"reported_domain"`
			URIs      []string `json:"reported_uri"`
			IP        *string  `json:"source_ip"`
			Agent     string   `json:"user_agent"`
			Failure   string   `json:"auth_failure"`
			Selector  *string  `json:"dkim_selector"`
			Identity  *string  `json:"dkim_identity"`
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		h, body := open(t, strings.TrimSuffix(name, ".json")+".eml")
		f, err := report.ReadFeedback(h, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		is := func(s string, p *string) bool { return p == nil && s == "" || p != nil && *p == s }
		flat := func(s string) string { return strings.ReplaceAll(s, "-", "") }
		rcpt := strings.Join(f.RcptTo, " ")
		ip := ""
		if f.SourceIP.IsValid() {
			ip = f.SourceIP.String()
		}
		if !strings.EqualFold(flat(f.Type), want.Type) || want.Arrival != nil && f.Arrival.Unix() != *want.Arrival || len(f.AuthResults) != len(want.Auth) || f.Incidents != want.Incidents || !is(f.EnvelopeID, want.EnvID) ||
			want.MailFrom != nil && f.MailFrom != strings.Trim(*want.MailFrom, "<>") || want.RcptTo != nil && rcpt != strings.Trim(*want.RcptTo, "<>") || len(f.ReportedDomains) != len(want.Domains) || len(f.ReportedURIs) != len(want.URIs) || !is(ip, want.IP) || f.UserAgent != want.Agent ||
			!is(f.DKIMSelector, want.Selector) || !is(f.DKIMIdentity, want.Identity) || want.Failure != "Unspecified" && !strings.EqualFold(f.AuthFailure, want.Failure) {
			t.Errorf("%s: %+v, want %s", name, f, raw)
		}
	}
}

func TestFeedbackTellsWhoComplained(t *testing.T) {
	t.Parallel()
	h, body := split([]byte(complaint))
	f, err := report.ReadFeedback(h, body)
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != "abuse" || f.MailFrom != "news@example.org" || f.SourceIP != netip.MustParseAddr("192.0.2.1") || f.Incidents != 3 || !f.Standard {
		t.Errorf("report %+v", f)
	}
	if c := f.Complainers(); len(c) != 2 || c[0] != "bob@example.net" || c[1] != "eve@example.net" {
		t.Errorf("complainers %v", c)
	}
	if f.Original.MessageID != "<m1@example.org>" || f.Original.Subject != "News" {
		t.Errorf("original %+v", f.Original)
	}
	d, err := report.ReadDSN(split2(complaint))
	if err != nil || d.Kind != report.Complaint || len(d.Recipients) != 2 || d.Recipients[0].Reason != report.Complained || d.Recipients[0].Hard {
		t.Errorf("read as %+v, %v", d, err)
	}
}
