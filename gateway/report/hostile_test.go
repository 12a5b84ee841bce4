package report

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/test/cputime"
)

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestDecompressedReportIsBounded whatever it was packed into.
func TestDecompressedReportIsBounded(t *testing.T) {
	t.Parallel()
	n, err := io.Copy(io.Discard, &ratioReader{r: spaces{}, packed: func() int64 { return MaxAggregateFile }})
	if !errors.Is(err, ErrTooLarge) || n > MaxAggregateXML {
		t.Errorf("%d octets, %v", n, err)
	}
}

// What a stranger sends as a report is read in a moment, whatever it is: the
// work does not grow with the square of anything.
func TestHostileReportsAreReadQuickly(t *testing.T) {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	failed := "X-Failed-Recipients: " + many(500, func(i int) string { return fmt.Sprintf("u%d@example.org,\r\n ", i) }) + "x@example.org\r\n"
	report := "From: mailer-daemon@example.net\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\n"
	plain := "From: mailer-daemon@example.net\r\nSubject: Undelivered Mail\r\n"
	part := func(kind, text string) string { return "--b\r\nContent-Type: " + kind + "\r\n\r\n" + text + "\r\n" }
	for name, c := range map[string][2]string{
		"long lines for many recipients": {plain + failed, many(80, func(int) string { return strings.Repeat("550 5.1.1 rcpt to ", 60) + "\r\n" })},
		"many recipients in sentences":   {plain, many(3000, func(i int) string { return fmt.Sprintf("rcpt to: u%d@example.org address: mail to recipient \r\n", i) })},
		"many addresses":                 {plain, many(20000, func(i int) string { return fmt.Sprintf("<u%d@example.org>: no\r\n", i) })},
		"many groups":                    {report, part("text/plain", many(3000, func(i int) string { return fmt.Sprintf("u%d@example.org user unknown 550\r\n", i) })) + part("message/delivery-status", many(2000, func(i int) string { return fmt.Sprintf("Final-Recipient: rfc822;u%d@example.org\r\n\r\n", i) }))},
		"one group again and again":      {report, part("message/delivery-status", many(20000, func(int) string { return "Final-Recipient: rfc822;u@example.org\r\n\r\n" }))},
		"many status parts":              {report, many(90, func(int) string { return part("message/delivery-status", strings.Repeat("Status: 5.1.1\r\n", 700)) })},
		"folds":                          {report, part("message/delivery-status", "Final-Recipient: rfc822;\r\n"+strings.Repeat(" \t x\r\n", 10000))},
		"white space":                    {report, part("message/delivery-status", strings.Repeat(" ", 60000)+strings.Repeat("\r\n ", 20000))},
		"white space in text":            {plain, strings.Repeat(" \t", 200_000)},
		"quotes":                         {plain, strings.Repeat("> ", 50_000) + "\r\n" + strings.Repeat(">\r\n", 50_000)},
		"codes":                          {plain, strings.Repeat("550 5.", 100_000)},
		"dots":                           {plain, strings.Repeat("5.5.5.5.5.", 100_000)},
		"almost":                         {plain, strings.Repeat("final-recipient", 60_000)},
		"HTML":                           {report, part("text/html", strings.Repeat("<div><p>", 100_000))},
		"HTML that does not end":         {report, part("text/html", strings.Repeat("<!-- <", 10_000)+strings.Repeat("<a href=\"", 10_000))},
		"entities":                       {report, part("text/html", strings.Repeat("&amp", 15_000))},
		"at signs":                       {plain, strings.Repeat("@ <@", 100_000)},
		"stars":                          {plain, strings.Repeat("user * unknown mailbox * not ", 30_000)},
		"parts":                          {report, strings.Repeat("--b\r\n\r\n\r\n", 100_000)},
		"original":                       {report, part("message/rfc822", strings.Repeat("To: a@b.test, \r\n", 20_000))},
		"original addresses":             {report, part("message/rfc822", "To: "+strings.Repeat("a@b.test,\r\n ", 20_000))},
		"complaint":                      {report, part("message/feedback-report", "Feedback-Type: abuse\r\n"+strings.Repeat("Original-Rcpt-To: a@b.test\r\n", 5000))},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := message.ParseHeader([]byte(c[0]), message.HeaderLimits{})
			if err != nil {
				t.Fatal(err)
			}
			var d *DSN
			took := cputime.Of(func() { d, err = ReadDSN(h, io.LimitReader(strings.NewReader(c[1]), 2*MaxReport)) })
			if took > 2*time.Second {
				t.Errorf("it took %s", took)
			} else {
				t.Log(took)
			}
			if err != nil && !errors.Is(err, ErrNoDSN) {
				t.Error(err)
			}
			if d != nil && len(d.Recipients) > MaxRecipients {
				t.Errorf("%d recipients", len(d.Recipients))
			}
		})
	}
}
