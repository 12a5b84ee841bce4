package tlsrpt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/outbound/record"
)

// Bounds of reports that are read.
const (
	MaxReport     = 16 << 20 // octets, decompressed
	maxPolicies   = 10_000   // of a report
	maxFailureDet = 100_000  // of all its policies
)

// ErrReport says that something is no report.
var ErrReport = errors.New("no TLS report")

// Report is an aggregate report (RFC 8460 section 4.4).
type Report struct {
	Organization string         `json:"organization-name,omitempty"`
	DateRange    DateRange      `json:"date-range"`
	Contact      string         `json:"contact-info,omitempty"`
	ID           string         `json:"report-id"`
	Policies     []PolicyReport `json:"policies"`
}

// DateRange is the time that a report is about.
type DateRange struct {
	Start Time `json:"start-datetime"`
	End   Time `json:"end-datetime"`
}

// PolicyReport is what is said about one policy.
type PolicyReport struct {
	Policy   PolicyInfo `json:"policy"`
	Summary  Summary    `json:"summary"`
	Failures []Detail   `json:"failure-details,omitempty"`
}

// PolicyInfo is a policy as the reporter saw it.
type PolicyInfo struct {
	Type    string  `json:"policy-type"`
	Strings Strings `json:"policy-string,omitempty"`
	Domain  string  `json:"policy-domain,omitempty"`
	MXHosts Strings `json:"mx-host,omitempty"`
}

// Summary counts sessions.
type Summary struct {
	Successful Count `json:"total-successful-session-count"`
	Failed     Count `json:"total-failure-session-count"`
}

// Detail is one way in which sessions failed.
type Detail struct {
	Result        string `json:"result-type"`
	SendingIP     string `json:"sending-mta-ip,omitempty"`
	ReceivingMX   string `json:"receiving-mx-hostname,omitempty"`
	ReceivingHelo string `json:"receiving-mx-helo,omitempty"`
	ReceivingIP   string `json:"receiving-ip,omitempty"`
	Sessions      Count  `json:"failed-session-count"`
	Info          string `json:"additional-information,omitempty"`
	Reason        string `json:"failure-reason-code,omitempty"`
}

// Time is a time in a report; the zero one is "".
type Time struct{ time.Time }

// MarshalJSON writes RFC 3339.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte(`""`), nil
	}
	return json.Marshal(t.UTC().Format(time.RFC3339))
}

// timeForms are RFC 3339 and what some reporters write instead.
var timeForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05", "2006-01-02"}

// UnmarshalJSON reads RFC 3339, and forms without zone as UTC.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == "" {
		t.Time = time.Time{}
		return nil
	}
	for _, form := range timeForms {
		if v, err := time.Parse(form, s); err == nil && v.Year() >= 1 && v.UTC().Year() <= 9999 && v.UTC().Year() >= 1 {
			t.Time = v.UTC().Truncate(time.Second)
			return nil
		}
	}
	return fmt.Errorf("%q is no time", record.Shorten(s))
}

// Strings is a list of strings, for which some reporters write one string.
type Strings []string

// UnmarshalJSON reads a list or one string.
func (l *Strings) UnmarshalJSON(b []byte) error {
	*l = nil
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*l = Strings{s}
		return err
	}
	var list []string
	err := json.Unmarshal(b, &list)
	if len(list) > 0 {
		*l = list
	}
	return err
}

// Count is a number of sessions, which some reporters write as a string.
type Count uint64

// UnmarshalJSON reads a number, as such or in a string.
func (c *Count) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		*c = 0
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return fmt.Errorf("%q is no count", record.Shorten(s))
	}
	*c = Count(n)
	return nil
}

// ParseReport reads a report: JSON, or JSON compressed with gzip. Errors wrap
// ErrReport.
func ParseReport(r io.Reader) (*Report, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("%w: not a JSON object", ErrReport)
	}
	var rep Report
	if err := json.Unmarshal(data, &rep); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if rep.Policies == nil && rep.ID == "" && rep.DateRange.Start.IsZero() {
		return nil, fmt.Errorf("%w: neither policies nor report-id nor date-range", ErrReport)
	}
	details := 0
	for i := range rep.Policies {
		details += len(rep.Policies[i].Failures)
		if len(rep.Policies[i].Failures) == 0 {
			rep.Policies[i].Failures = nil
		}
	}
	if len(rep.Policies) > maxPolicies || details > maxFailureDet {
		return nil, fmt.Errorf("%w: %d policies with %d failures are too many", ErrReport, len(rep.Policies), details)
	}
	return &rep, nil
}

// readAll reads what may be compressed, up to MaxReport.
func readAll(r io.Reader) ([]byte, error) {
	buf := bufio.NewReader(r)
	r = buf
	if magic, _ := buf.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, err
		}
		r = z
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxReport+1))
	if err == nil && len(data) > MaxReport {
		err = fmt.Errorf("larger than %d octets", MaxReport)
	}
	return data, err
}

// Gzip returns the report as it is sent: JSON compressed with gzip.
func (r *Report) Gzip() ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("tlsrpt: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("tlsrpt: %w", err)
	}
	return b.Bytes(), nil
}
