package tlsrpt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/test/peers"
)

func TestParseReport(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/rfc8460.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReport(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p := r.Policies[0]
	if r.Organization != "Company-X" || r.Contact != "sts-reporting@company-x.example" || r.ID != "5065427c-23d3-47ca-b6e0-946ea0e8c4be" ||
		!r.DateRange.Start.Equal(time.Date(2016, 4, 1, 0, 0, 0, 0, time.UTC)) || !r.DateRange.End.Equal(time.Date(2016, 4, 1, 23, 59, 59, 0, time.UTC)) ||
		p.Policy.Type != "sts" || len(p.Policy.Strings) != 4 || p.Policy.MXHosts[0] != "*.mail.company-y.example" ||
		p.Summary != (Summary{5326, 303}) || len(p.Failures) != 3 || p.Failures[1].Sessions != 200 || p.Failures[2].Reason != "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED" {
		t.Errorf("%+v", r)
	}
	gz, err := r.Gzip()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseReport(bytes.NewReader(gz))
	if err != nil || !reflect.DeepEqual(r, again) {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestReportersDiffer(t *testing.T) {
	t.Parallel()
	r, err := ParseReport(strings.NewReader("\xef\xbb\xbf" + `{"report-id": "x", "date-range": {"start-datetime": "2020-01-02", "end-datetime": "2020-01-02T23:59:59"}, "unknown": [{}],
		"policies": [{"policy": {"policy-type": "sts", "policy-string": "one", "mx-host": "mx"}, "summary": {"total-successful-session-count": "7", "total-failure-session-count": null}, "failure-details": null},
		{"policy": {"policy-type": "tlsa", "policy-string": [], "mx-host": null}, "failure-details": []}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := r.Policies
	if p[0].Policy.Strings[0] != "one" || p[0].Policy.MXHosts[0] != "mx" || p[0].Summary.Successful != 7 || len(p[1].Policy.Strings) != 0 || r.DateRange.End.Day() != 2 {
		t.Errorf("%+v", r)
	}
}

func TestNoReport(t *testing.T) {
	t.Parallel()
	bomb := Report{ID: strings.Repeat("0", MaxReport)}
	gz, err := bomb.Gzip()
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{"a":`, 20000)
	many := `{"report-id":"x","policies":[` + strings.Repeat("{},", maxPolicies) + "{}]}"
	for _, text := range []string{
		"", "[]", "{}", "null", "{", `{"policies": 1}`, `{"report-id":"x"} trailing`, `{"report-id": "x", "date-range": {"start-datetime": "yesterday"}}`,
		`{"report-id":"x","policies":[{"summary":{"total-successful-session-count":-1}}]}`, `{"report-id":"x","policies":[{"summary":{"total-successful-session-count":1.5}}]}`,
		"\x1f\x8b", "\x1f\x8b\x08\x00\x00\x00\x00\x00", string(gz), string(gz[:100]), deep, many,
	} {
		if r, err := ParseReport(strings.NewReader(text)); !errors.Is(err, ErrReport) {
			t.Errorf("%.60q: %+v, %v", text, r, err)
		}
	}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	r := &Report{
		Organization: "Example", ID: "2026-01-02.example.com.0123456789abcdef@mx.example.org",
		DateRange: DateRange{Time{time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}, Time{time.Date(2026, 1, 2, 23, 59, 59, 0, time.UTC)}},
		Policies:  []PolicyReport{{Policy: PolicyInfo{Type: "sts", Domain: "example.com"}, Summary: Summary{1, 2}, Failures: []Detail{{Result: "validation-failure", Sessions: 2, Info: strings.Repeat("x<y>", 50)}}}},
	}
	gz, err := r.Gzip()
	if err != nil {
		t.Fatal(err)
	}
	l := Letter{Report: r, Domain: "example.com", Submitter: "mx.example.org", From: "tls@example.org", To: "reports@example.com", Date: time.Date(2026, 1, 3, 1, 0, 0, 0, time.UTC), Gzip: gz}
	msg := l.Bytes()
	for line := range strings.SplitAfterSeq(string(msg), "\n") {
		if !strings.HasSuffix(line, "\r\n") && line != "" || len(line) > 100 {
			t.Errorf("line %q", line)
		}
	}
	// The standard library reads it, and so do we.
	m, err := mail.ReadMessage(bytes.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Header.Get("Subject"); s != "Report Domain: example.com Submitter: mx.example.org Report-ID: <"+r.ID+">" {
		t.Errorf("Subject %q", s)
	}
	if m.Header.Get("TLS-Report-Domain") != "example.com" || m.Header.Get("TLS-Report-Submitter") != "mx.example.org" || m.Header.Get("TLS-Required") != "No" {
		t.Errorf("%v", m.Header)
	}
	media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/report" || params["report-type"] != "tlsrpt" {
		t.Errorf("%s %v %v", media, params, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	if _, err := parts.NextPart(); err != nil {
		t.Fatal(err)
	}
	p, err := parts.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	if _, d, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition")); p.Header.Get("Content-Type") != "application/tlsrpt+gzip" || d["filename"] != "mx.example.org!example.com!1767312000!1767398399.json.gz" {
		t.Errorf("%v", p.Header)
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the report: %v", err)
	}
	got, err := readMail(msg)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
}

func readMail(msg []byte) (*Report, error) {
	head, body := message.Split(msg)
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		return nil, err
	}
	return ReadMail(h, bytes.NewReader(body))
}

func TestMailWithoutReport(t *testing.T) {
	t.Parallel()
	for _, msg := range []string{
		"Subject: x\r\n\r\nhello\r\n",
		"Content-Type: application/json\r\n\r\n[]\r\n",
		"Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n",
	} {
		if r, err := readMail([]byte(msg)); !errors.Is(err, ErrReport) {
			t.Errorf("%q: %+v, %v", msg, r, err)
		}
	}
}

// TestSamples reads the reports of another project's tests.
func TestSamples(t *testing.T) {
	t.Parallel()
	wants := map[string]*Report{}
	got := map[string]*Report{}
	for _, name := range peers.SuiteFiles(t, "reports/tlsrpt/*") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base, ext, _ := strings.Cut(filepath.Base(name), ".")
		if ext == "json" {
			wants[base], err = ParseReport(bytes.NewReader(text))
		} else {
			got[base], err = readMail(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for base, r := range got {
		a, _ := json.Marshal(r)
		b, _ := json.Marshal(wants[base])
		if !bytes.Equal(a, b) {
			t.Errorf("%s:\n%s\nwant\n%s", base, a, b)
		}
	}
	t.Logf("%d mails, %d reports", len(got), len(wants))
}

func FuzzParseReport(f *testing.F) {
	text, err := os.ReadFile("testdata/rfc8460.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"report-id":"x","policies":[{"policy":{"policy-string":"a"},"failure-details":[{"failed-session-count":"1"}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseReport(bytes.NewReader(text))
		if err != nil {
			return
		}
		out, err := json.Marshal(r) // gzip makes the fuzzer's coverage vary
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseReport(bytes.NewReader(out))
		if errors.Is(err, ErrReport) && r.Policies == nil && r.ID == "" && r.DateRange.Start.IsZero() {
			return
		}
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%q: %+v became %+v, %v", text, r, again, err)
		}
	})
}
