package tlsrpt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/outbound/record"
)

// ReadMail finds the report in a mail: the first part that may be one by its
// type or file name and can be read. Errors wrap ErrReport.
func ReadMail(h *message.Header, body io.Reader) (*Report, error) {
	f := &finder{}
	if err := message.NewWalker(h, message.WalkLimits{}).Walk(body, f); err != nil && !errors.Is(err, errFound) {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	switch {
	case f.report != nil:
		return f.report, nil
	case f.err != nil:
		return nil, f.err
	}
	return nil, fmt.Errorf("%w: no part of the message holds one", ErrReport)
}

var errFound = errors.New("found")

// finder is the Visitor of ReadMail.
type finder struct {
	buf    bytes.Buffer
	reads  bool
	report *Report
	err    error // of the last part that may have been one
}

// reportTypes are the media types of reports (RFC 8460 section 6.4 and 6.5)
// and what is used instead.
var reportTypes = []string{"application/tlsrpt+gzip", "application/tlsrpt+json", "application/tlsrpt", "application/json", "application/gzip", "application/x-gzip"}

func (f *finder) Part(p *message.PartInfo) io.Writer {
	f.reads = false
	if p.Container || f.report != nil {
		return nil
	}
	name := strings.ToLower(p.Filename)
	f.reads = strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".json.gz")
	for _, t := range reportTypes {
		f.reads = f.reads || p.Type == t
	}
	if !f.reads {
		return nil
	}
	f.buf.Reset()
	return f
}

// Write takes octets of a part.
func (f *finder) Write(b []byte) (int, error) {
	if f.buf.Len()+len(b) > MaxReport {
		return 0, fmt.Errorf("a part is larger than %d octets", MaxReport)
	}
	return f.buf.Write(b)
}

func (f *finder) PartEnd(p *message.PartInfo) {
	if f.reads && !p.Container {
		f.reads = false
		f.report, f.err = ParseReport(&f.buf)
	}
}

func (f *finder) Defect(message.Defect) {}

// Letter is a report as it is mailed (RFC 8460 section 5.3).
type Letter struct {
	Report    *Report
	Domain    string    // the policy domain
	Submitter string    // our host name
	From, To  string    // addresses
	Date      time.Time // of the mail
	Gzip      []byte    // Report.Gzip
}

const lineOctets = 57 // of base64 in a line of 76 characters

// Bytes returns the message, CRLF line ends.
func (l Letter) Bytes() []byte {
	boundary := "=_" + strings.Map(func(c rune) rune {
		if record.Alphanumeric(c) {
			return c
		}
		return '.'
	}, l.Report.ID[:min(len(l.Report.ID), 60)])
	b := make([]byte, 0, 2048+len(l.Gzip)*3/2)
	for _, f := range [][2]string{
		{"From", "<" + l.From + ">"},
		{"To", "<" + l.To + ">"},
		{"Subject", "Report Domain: " + l.Domain + " Submitter: " + l.Submitter + " Report-ID: <" + l.Report.ID + ">"},
		{"Date", l.Date.Format("Mon, 2 Jan 2006 15:04:05 -0700")},
		{"Message-ID", "<" + l.Report.ID + ">"},
		{"TLS-Report-Domain", l.Domain},
		{"TLS-Report-Submitter", l.Submitter},
		{"TLS-Required", "No"}, // RFC 8689 section 3: it must arrive whatever is wrong with TLS
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", `multipart/report; report-type="tlsrpt"; boundary="` + boundary + `"`},
	} {
		b = message.AppendFolded(b, f[0]+": "+message.CleanValue(f[1]))
	}
	b = append(b, "\r\n--"+boundary+"\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"...)
	b = append(b, l.text()...)
	b = append(b, "\r\n--"+boundary+"\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"...)
	b = message.AppendFolded(b, `Content-Disposition: attachment; filename="`+l.filename()+`"`)
	b = append(b, "\r\n"...)
	for rest := l.Gzip; len(rest) > 0; {
		n := min(len(rest), lineOctets)
		b = append(base64.StdEncoding.AppendEncode(b, rest[:n]), "\r\n"...)
		rest = rest[n:]
	}
	return append(b, "\r\n--"+boundary+"--\r\n"...)
}

// text is what people read.
func (l Letter) text() string {
	var ok, bad Count
	for _, p := range l.Report.Policies {
		ok, bad = ok+p.Summary.Successful, bad+p.Summary.Failed
	}
	return fmt.Sprintf("This is an aggregate TLS report from %s about %s\r\nfor the time from %s to %s.\r\n\r\nSessions with TLS as your policy asks: %d\r\nFailed sessions: %d\r\n",
		l.Submitter, l.Domain, l.Report.DateRange.Start.Format(time.RFC3339), l.Report.DateRange.End.Format(time.RFC3339), ok, bad)
}

// filename is that of RFC 8460 section 5.1.
func (l Letter) filename() string {
	r := l.Report.DateRange
	return fmt.Sprintf("%s!%s!%d!%d.json.gz", l.Submitter, l.Domain, r.Start.Unix(), r.End.Unix())
}
