package report_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"

	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

const sent = "From: Anna <anna@example.org>\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\nMessage-ID: <m1@example.org>\r\n\r\nHello Bob\r\n"

var when = time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)

func notice(rcpts ...report.NoticeRecipient) *report.Notice {
	return &report.Notice{
		ReportingMTA: "mx1.example.org", To: smtp.Address{Local: "anna", Domain: "example.org"},
		ID: "01JABC", Date: when, EnvelopeID: "QQ314", Arrival: when.Add(-time.Hour), Recipients: rcpts,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(sent)), nil }, Size: int64(len(sent)),
	}
}

func failed(to string) report.NoticeRecipient {
	return report.NoticeRecipient{
		Final: smtp.Address{Local: to, Domain: "example.net"}, Action: report.Failed, RemoteMTA: "mx.example.net",
		Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "User unknown"), LastAttempt: when,
	}
}

func write(t *testing.T, n *report.Notice) string {
	t.Helper()
	var b bytes.Buffer
	size, err := n.WriteTo(&b)
	if err != nil || size != int64(b.Len()) {
		t.Fatalf("WriteTo = %d, %v; %d written", size, err, b.Len())
	}
	if s := b.String(); strings.Contains(strings.ReplaceAll(s, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(s, "\r\n", ""), "\r") {
		t.Errorf("lines do not all end in CRLF")
	}
	return b.String()
}

// part is a part as go-message, which is not ours, reads it.
type part struct{ mediaType, encoding, body string }

func parts(t *testing.T, s string) (gomessage.Header, []part) {
	t.Helper()
	e, err := gomessage.Read(strings.NewReader(s))
	if err != nil {
		t.Fatalf("go-message: %v\n%s", err, s)
	}
	if typ, p, _ := e.Header.ContentType(); typ != "multipart/report" || p["report-type"] != "delivery-status" {
		t.Fatalf("type %s %v", typ, p)
	}
	m := e.MultipartReader()
	var all []part
	for {
		p, err := m.NextPart()
		if err == io.EOF {
			return e.Header, all
		}
		if err != nil {
			t.Fatalf("go-message: %v", err)
		}
		typ, _, _ := p.Header.ContentType()
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part{typ, p.Header.Get("Content-Transfer-Encoding"), string(body)})
	}
}

// groups reads the fields of a delivery-status part with net/textproto.
func groups(t *testing.T, s string) (all []textproto.MIMEHeader) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(s)))
	for {
		h, err := r.ReadMIMEHeader()
		if len(h) > 0 {
			all = append(all, h)
		}
		if err != nil {
			return all
		}
	}
}

func TestNoticeIsReadByOthers(t *testing.T) {
	t.Parallel()
	n := notice(failed("bob"), failed("eve"))
	n.Recipients[0].Original = smtp.RcptParams{OriginalType: "rfc822", OriginalAddress: "list@example.com"}
	n.Recipients[0].LogID = "01JXYZ"
	n.ReceivedFrom = "laptop.example.org"
	s := write(t, n)
	h, ps := parts(t, s)
	for name, want := range map[string]string{
		"To": "<anna@example.org>", "From": "Mail Delivery System <MAILER-DAEMON@mx1.example.org>",
		"Auto-Submitted": "auto-replied", "Message-Id": "<01JABC@mx1.example.org>", "In-Reply-To": "<m1@example.org>", "Mime-Version": "1.0",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got, _ := h.Text("Subject"); got != "Not delivered: Grüße" {
		t.Errorf("subject %q", got)
	}
	if len(ps) != 3 || ps[0].mediaType != "text/plain" || ps[1].mediaType != "message/delivery-status" || ps[2].mediaType != "message/rfc822" {
		t.Fatalf("parts %v", ps)
	}
	g := groups(t, ps[1].body)
	if len(g) != 3 {
		t.Fatalf("%d groups in %s", len(g), ps[1].body)
	}
	for i, want := range []map[string]string{
		{"Reporting-Mta": "dns; mx1.example.org", "Original-Envelope-Id": "QQ314", "Arrival-Date": "Fri, 20 Nov 2026 13:05:00 +0000", "Received-From-Mta": "dns; laptop.example.org"},
		{
			"Original-Recipient": "rfc822; list@example.com", "Final-Recipient": "rfc822; bob@example.net", "Action": "failed", "Status": "5.1.1",
			"Remote-Mta": "dns; mx.example.net", "Diagnostic-Code": "smtp; 550 5.1.1 User unknown", "Last-Attempt-Date": "Fri, 20 Nov 2026 14:05:00 +0000", "Final-Log-Id": "01JXYZ",
		},
		{"Final-Recipient": "rfc822; eve@example.net", "Action": "failed"},
	} {
		for name, v := range want {
			if got := g[i].Get(name); got != v {
				t.Errorf("group %d %s: %q, want %q", i, name, got, v)
			}
		}
	}
	if ps[2].body != sent {
		t.Errorf("returned %q", ps[2].body)
	}
	for _, want := range []string{"could NOT be delivered", "bob@example.net", "no such mailbox", "550 5.1.1 User unknown", "Compare the address", "postmaster@mx1.example.org", "Your message is attached"} {
		if !strings.Contains(strings.Join(strings.Fields(ps[0].body), " "), want) {
			t.Errorf("the text lacks %q:\n%s", want, ps[0].body)
		}
	}
	if n.NeedsEightBit() || n.NeedsUTF8() {
		t.Error("needs 8BITMIME or SMTPUTF8")
	}
	if again := write(t, n); again != s {
		t.Error("a second time it writes something else")
	}
}

func TestNoticeGoesToNobody(t *testing.T) {
	t.Parallel()
	n := notice(failed("bob"))
	n.To = smtp.Address{}
	if _, err := n.WriteTo(io.Discard); !errors.Is(err, report.ErrNullSender) {
		t.Errorf("error %v", err)
	}
}

func TestNoticeReturnsAsAsked(t *testing.T) {
	t.Parallel()
	delayed := failed("bob")
	delayed.Action, delayed.WillRetryUntil = report.Delayed, when.Add(5*24*time.Hour)
	for name, c := range map[string]struct {
		change func(n *report.Notice)
		want   string
	}{
		"full":       {func(n *report.Notice) { n.Return = smtp.ReturnFull }, "message/rfc822"},
		"headers":    {func(n *report.Notice) { n.Return = smtp.ReturnHeaders }, "text/rfc822-headers"},
		"not said":   {func(*report.Notice) {}, "message/rfc822"},
		"large":      {func(n *report.Notice) { n.Size = report.DefaultMaxReturn + 1 }, "text/rfc822-headers"},
		"own bound":  {func(n *report.Notice) { n.MaxReturn = 10 }, "text/rfc822-headers"},
		"never full": {func(n *report.Notice) { n.MaxReturn = -1 }, "text/rfc822-headers"},
		"delay":      {func(n *report.Notice) { n.Return = smtp.ReturnFull; n.Recipients[0] = delayed }, "text/rfc822-headers"},
		"nothing":    {func(n *report.Notice) { n.Open = nil }, ""},
	} {
		n := notice(failed("bob"))
		c.change(n)
		_, ps := parts(t, write(t, n))
		got := ""
		if len(ps) == 3 {
			got = ps[2].mediaType
			if strings.Contains(ps[2].body, "Hello Bob") != (got == "message/rfc822") || !strings.Contains(ps[2].body, "Message-ID: <m1@example.org>") {
				t.Errorf("%s: returned %q", name, ps[2].body)
			}
		}
		if got != c.want {
			t.Errorf("%s: returned as %q, want %q", name, got, c.want)
		}
	}
}

func TestNoticeTextByAction(t *testing.T) {
	t.Parallel()
	for action, want := range map[report.Action][]string{
		report.Delayed:   {"Delayed: Grüße", "NOT been delivered YET", "until Wednesday, 25 November 2026 at 14:05 UTC"},
		report.Delivered: {"Delivered: Grüße", "has been delivered, as you asked"},
		report.Relayed:   {"Passed on: Grüße", "does not confirm"},
		report.Expanded:  {"Delivered to a list: Grüße", "list or a forwarding address"},
	} {
		r := failed("bob")
		r.Action, r.WillRetryUntil = action, when.Add(5*24*time.Hour)
		r.Reply = smtp.Reply{}
		h, ps := parts(t, write(t, notice(r)))
		subject, _ := h.Text("Subject")
		all := subject + "\n" + strings.Join(strings.Fields(ps[0].body), " ")
		for _, w := range want {
			if !strings.Contains(all, w) {
				t.Errorf("%s: lacks %q:\n%s", action, w, ps[0].body)
			}
		}
		g := groups(t, ps[1].body)
		if class := map[bool]string{true: "4", false: "2"}[action == report.Delayed]; g[1].Get("Status")[:1] != class {
			t.Errorf("%s: status %s", action, g[1].Get("Status"))
		}
		if (g[1].Get("Will-Retry-Until") != "") != (action == report.Delayed) {
			t.Errorf("%s: Will-Retry-Until %q", action, g[1].Get("Will-Retry-Until"))
		}
	}
}

func TestEveryStatusHasWords(t *testing.T) {
	t.Parallel()
	for subject := range uint16(9) {
		for detail := range uint16(32) {
			for _, action := range []report.Action{report.Failed, report.Delayed} {
				r := report.NoticeRecipient{Final: smtp.Address{Local: "bob", Domain: "example.net"}, Action: action, Status: smtp.EnhancedCode{5, subject, detail}}
				n := notice(r)
				n.Open = nil
				_, ps := parts(t, write(t, n))
				if len(ps[0].body) < 200 || strings.Contains(ps[0].body, "<no value>") {
					t.Fatalf("%s %d.%d:\n%s", action, subject, detail, ps[0].body)
				}
			}
		}
	}
}

func TestNoticeOfInternationalMail(t *testing.T) {
	t.Parallel()
	r := failed("büro")
	n := notice(r)
	_, ps := parts(t, write(t, n))
	if ps[1].mediaType != "message/delivery-status" || !strings.Contains(ps[1].body, `utf-8; b\x{FC}ro@example.net`) {
		t.Errorf("to a sender without SMTPUTF8: %s %s", ps[1].mediaType, ps[1].body)
	}
	if ps[0].encoding != "quoted-printable" || !strings.Contains(ps[0].body, "büro@example.net") {
		t.Errorf("text %s %s", ps[0].encoding, ps[0].body)
	}
	if n.NeedsEightBit() {
		t.Error("needs 8BITMIME")
	}

	n = notice(r)
	n.SMTPUTF8, n.UTF8Header, n.EightBit = true, true, true
	n.To.Local = "änne"
	utf8 := strings.Replace(sent, "Anna", "Änne", 1)
	n.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(utf8)), nil }
	_, ps = parts(t, write(t, n))
	if ps[1].mediaType != "message/global-delivery-status" || !strings.Contains(ps[1].body, `utf-8; büro@example.net`) {
		t.Errorf("with SMTPUTF8: %s %s", ps[1].mediaType, ps[1].body)
	}
	if ps[2].mediaType != "message/global" || ps[2].body != utf8 {
		t.Errorf("returned as %s: %s", ps[2].mediaType, ps[2].body)
	}
	if !n.NeedsEightBit() || !n.NeedsUTF8() {
		t.Error("needs neither 8BITMIME nor SMTPUTF8")
	}
	n.Return = smtp.ReturnHeaders
	if _, ps = parts(t, write(t, n)); ps[2].mediaType != "message/global-headers" {
		t.Errorf("headers returned as %s", ps[2].mediaType)
	}
	n.SMTPUTF8 = false
	if _, ps = parts(t, write(t, n)); ps[2].mediaType != "text/rfc822-headers" || ps[2].encoding != "quoted-printable" || !strings.Contains(ps[2].body, "Änne") {
		t.Errorf("8-bit headers returned as %v", ps[2])
	}
}

func TestNoticeKeepsOthersTextInItsPlace(t *testing.T) {
	t.Parallel()
	r := failed("bob")
	r.RemoteMTA = "mx\r\nX-Evil: 1"
	r.Reply.Text = "no\r\n\r\nFinal-Recipient: rfc822; x@example.com\n--=_ \x00\x1b[2J " + strings.Repeat("long ", 5000)
	n := notice(r)
	n.EnvelopeID = "a\r\n\r\nAction: delivered"
	n.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("Subject: a\r\n b =?utf-8?q?=0D=0ABcc:_x?=" + strings.Repeat("x", 2000) + "\r\nMessage-ID: <a b@c>\r\n\r\n")), nil
	}
	s := write(t, n)
	_, ps := parts(t, s)
	g := groups(t, ps[1].body)
	if len(ps) != 3 || len(g) != 2 || g[1].Get("X-Evil") != "" || len(g[1]["Final-Recipient"]) != 1 {
		t.Errorf("%d parts, groups %v", len(ps), g)
	}
	if len(s) > 12<<10 {
		t.Errorf("%d octets", len(s))
	}
	for _, line := range strings.Split(strings.Split(s, "Undelivered message")[0], "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\x00\x1b") || strings.HasPrefix(line, "Bcc") {
			t.Errorf("line %q", line)
		}
	}
}

func TestNoticeCutsALongHeader(t *testing.T) {
	t.Parallel()
	n := notice(failed("bob"))
	n.Return = smtp.ReturnHeaders
	long := strings.Repeat("X-Long: "+strings.Repeat("y", 900)+"\r\n", 200) + "\r\nbody"
	n.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(long)), nil }
	_, ps := parts(t, write(t, n))
	if b := ps[2].body; len(b) > 64<<10 || len(b) < 60<<10 || !strings.HasSuffix(b, "y\r\n") {
		t.Errorf("%d octets returned", len(b))
	}
}

func TestNoticeReadsAMessageWithoutBody(t *testing.T) {
	t.Parallel()
	for _, m := range []string{"", "Subject: x\r\n", "Subject: x\r\n\r\n", "\r\nbody"} {
		n := notice(failed("bob"))
		n.Open = func() (io.ReadCloser, error) { return io.NopCloser(iotest{strings.NewReader(m)}), nil }
		if _, ps := parts(t, write(t, n)); ps[2].body != m {
			t.Errorf("returned %q of %q", ps[2].body, m)
		}
	}
}

// iotest reads an octet at a time.
type iotest struct{ r io.Reader }

func (o iotest) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

func TestNoticeTellsBrokenReads(t *testing.T) {
	t.Parallel()
	bad := errors.New("disk")
	n := notice(failed("bob"))
	n.Open = func() (io.ReadCloser, error) { return nil, bad }
	if _, err := n.WriteTo(io.Discard); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	n.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("A: b\r\n\r\nx"), errReader{bad})), nil
	}
	if _, err := n.WriteTo(io.Discard); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	n.Open = nil
	if _, err := n.WriteTo(errReader{bad}); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error)  { return 0, e.err }
func (e errReader) Write([]byte) (int, error) { return 0, e.err }

func BenchmarkNotice(b *testing.B) {
	n := notice(failed("bob"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// TestExpiryTellsWhoPutItOff: where a server answered, its address is no
// misspelt one, and a reply that put the message off is no refusal.
func TestExpiryTellsWhoPutItOff(t *testing.T) {
	t.Parallel()
	r := failed("bob")
	r.Status, r.Reply = smtp.EnhancedCode{4, 4, 7}, smtp.NewReply(451, smtp.EnhancedCode{4, 2, 2}, "busy")
	away := r
	away.Local, away.Reply.Text = true, "No connection"
	for text, want := range map[string]bool{write(t, notice(r)): true, write(t, notice(away)): false} {
		text = strings.Join(strings.Fields(text), " ")
		if !strings.Contains(text, "the time for trying has run out") || !strings.Contains(text, "Status: 4.4.7") ||
			strings.Contains(text, "put the message off") != want || strings.Contains(text, "typing mistakes") == want {
			t.Error(text)
		}
	}
}
