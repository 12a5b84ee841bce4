package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
)

type parseTLSRPT struct {
	Message string `default:"-" placeholder:"FILE" help:"The report: a mail with one, or its JSON, compressed with gzip or not; - is standard input."`
}

// Help implements kong.HelpProvider.
func (parseTLSRPT) Help() string {
	return `Prints an aggregate TLS report (RFC 8460).

Examples:
  gapura parse tls-rpt --message report.eml
  gapura parse tls-rpt --json --message report.json.gz`
}

// Run runs `gapura parse tls-rpt`.
func (c *parseTLSRPT) Run(a *app) error {
	r, err := c.read(a)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Message, err)
	}
	return a.print(r, func(w io.Writer) { printTLSRPT(w, r) })
}

// read reads the report in whatever form it comes.
func (c *parseTLSRPT) read(a *app) (*tlsrpt.Report, error) {
	f, err := a.openMessage(c.Message)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 4096)
	first, _ := in.Peek(in.Size())
	first = bytes.TrimLeft(bytes.TrimPrefix(first, []byte("\xef\xbb\xbf")), " \t\r\n")
	if bytes.HasPrefix(first, []byte("{")) || bytes.HasPrefix(first, []byte{0x1f, 0x8b}) {
		return tlsrpt.ParseReport(in)
	}
	b := *a
	b.stdin = in
	m, err := b.readMessage("-")
	if err != nil {
		return nil, err
	}
	return tlsrpt.ReadMail(m.header, m.body)
}

func printTLSRPT(w io.Writer, r *tlsrpt.Report) {
	line := func(format string, args ...any) {
		fmt.Fprintln(w, strings.TrimRight(message.CleanValue("x" + fmt.Sprintf(format, args...))[1:], " "))
	}
	line("report %s of %s (%s)", r.ID, r.Organization, r.Contact)
	line("  from %s to %s", r.DateRange.Start.Format(time.RFC3339), r.DateRange.End.Format(time.RFC3339))
	for _, p := range r.Policies {
		line("%s %s: %d sessions as they should be, %d failed", p.Policy.Type, p.Policy.Domain, p.Summary.Successful, p.Summary.Failed)
		for _, d := range p.Failures {
			line("  %d %s at %s %s from %s %s %s", d.Sessions, d.Result, d.ReceivingMX, d.ReceivingIP, d.SendingIP, d.Reason, d.Info)
		}
	}
}
