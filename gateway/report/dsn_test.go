package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/test/cputime"
)

const (
	complaint = "From: abuse@example.net\r\nSubject: FW: News\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
		"Feedback-Type: Abuse\r\nUser-Agent: Some/1\r\nVersion: 1\r\nOriginal-Mail-From: <news@example.org>\r\nOriginal-Rcpt-To: <bob@example.net>\r\nOriginal-Rcpt-To: eve@example.net\r\nSource-IP: 192.0.2.1\r\nIncidents: 3\r\n--b\r\n" +
		"Content-Type: message/rfc822\r\n\r\nFrom: news@example.org\r\nMessage-ID: <m1@example.org>\r\nSubject: News\r\n\r\nBuy\r\n--b--\r\n"
	qmail = "From: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program at mx.example.net.\r\n\r\n<bob@example.com>:\r\n192.0.2.2 does not like recipient.\r\nRemote host said: 550 5.1.1 no such user\r\nGiving up on 192.0.2.2.\r\n\r\n" +
		"<eve@example.com>:\r\nRemote host said: 452 4.2.2 mailbox full\r\n\r\n--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <anna@example.org>\r\nMessage-ID: <m2@example.org>\r\nSubject: Hello\r\n\r\n<carl@example.com>:\r\n"
	exim      = "From: Mail Delivery System <Mailer-Daemon@mx.example.net>\r\nX-Failed-Recipients: bob@example.com\r\nSubject: Mail delivery failed\r\n\r\nThe following address(es) failed:\r\n\r\n  bob@example.com\r\n    SMTP error from remote mail server after RCPT TO:<bob@example.com>:\r\n    host mx.example.com [192.0.2.2]: 550 No such user\r\n"
	vacation  = "From: bob@example.net\r\nTo: anna@example.org\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: <m1@example.org>\r\n\r\nI am away.\r\n"
	recursive = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: utf-8; b\\x{FC}ro@example.net\r\nAction: delayed\r\nStatus: 4.4.1 (no answer)\r\n\r\n--b--\r\n"
)

var seeds = []string{complaint, qmail, exim, vacation, recursive}

func split2(s string) (*message.Header, io.Reader) {
	h, b := split([]byte(s))
	return h, b
}

// TestOwnNoticesAreRead is parse(print(x)) == x.
func TestOwnNoticesAreRead(t *testing.T) {
	t.Parallel()
	hard, full, late, ok := failed("bob"), failed("eve"), failed("büro"), failed("carl")
	full.Reply = smtp.NewReply(552, smtp.EnhancedCode{5, 2, 2}, "mailbox is full\nsorry")
	late.Action, late.WillRetryUntil, late.Reply = report.Delayed, when.Add(time.Hour), smtp.NewReply(451, smtp.EnhancedCode{4, 3, 2}, "please try again later")
	ok.Action, ok.Reply = report.Relayed, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "queued")
	hard.Original = smtp.RcptParams{OriginalType: "rfc822", OriginalAddress: "list@example.com"}
	n := notice(hard, full, late, ok)
	for _, utf8 := range []bool{false, true} {
		n.SMTPUTF8 = utf8
		d, err := report.ReadDSN(split2(write(t, n)))
		if err != nil {
			t.Fatal(err)
		}
		if d.Kind != report.Bounce || !d.Standard || d.ReportingMTA != n.ReportingMTA || d.EnvelopeID != n.EnvelopeID || !d.Arrival.Equal(n.Arrival) || d.Original.MessageID != "<m1@example.org>" || d.Original.Subject != "Grüße" || len(d.Recipients) != 4 {
			t.Fatalf("read %+v", d)
		}
		for i, want := range []report.DSNRecipient{
			{Address: "bob@example.net", Original: "list@example.com", Action: report.Failed, Status: smtp.EnhancedCode{5, 1, 1}, Reply: 550, Text: "550 5.1.1 User unknown", Reason: report.NoMailbox, Hard: true},
			{Address: "eve@example.net", Action: report.Failed, Status: smtp.EnhancedCode{5, 2, 2}, Reply: 552, Text: "552 5.2.2 mailbox is full sorry", Reason: report.Full},
			{Address: "büro@example.net", Action: report.Delayed, Status: smtp.EnhancedCode{4, 3, 2}, Reply: 451, Text: "451 4.3.2 please try again later", Reason: report.NoMail, WillRetryUntil: when.Add(time.Hour)},
			{Address: "carl@example.net", Action: report.Relayed, Status: smtp.EnhancedCode{2, 0, 0}, Reply: 250, Text: "250 2.0.0 queued", Reason: report.Arrived},
		} {
			want.RemoteMTA, want.LastAttempt = "mx.example.net", when
			got := d.Recipients[i]
			got.LastAttempt, got.WillRetryUntil = got.LastAttempt.UTC(), got.WillRetryUntil.UTC()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("recipient %d: %+v\nwant %+v", i, got, want)
			}
		}
	}
}

func TestBouncesInText(t *testing.T) {
	t.Parallel()
	d, err := report.ReadDSN(split2(qmail))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Recipients) != 2 || d.Standard || d.Original.Return != "anna@example.org" || d.Original.MessageID != "<m2@example.org>" {
		t.Fatalf("read %+v", d)
	}
	if r := d.Recipients[0]; r.Address != "bob@example.com" || !r.Hard || r.Reason != report.NoMailbox || r.Reply != 550 {
		t.Errorf("recipient %+v", r)
	}
	if r := d.Recipients[1]; r.Address != "eve@example.com" || r.Hard || r.Reason != report.Full || r.Status[0] != 4 {
		t.Errorf("recipient %+v", r)
	}
	if d, err = report.ReadDSN(split2(exim)); err != nil || len(d.Recipients) != 1 || !d.Recipients[0].Hard {
		t.Errorf("Exim: %+v, %v", d, err)
	}
	if d, err = report.ReadDSN(split2(vacation)); err != nil || d.Kind != report.AutoReply || d.Recipients[0].Address != "bob@example.net" || d.Original.MessageID != "<m1@example.org>" {
		t.Errorf("vacation: %+v, %v", d, err)
	}
	if d, err = report.ReadDSN(split2(recursive)); err != nil || d.Recipients[0].Address != "büro@example.net" || d.Recipients[0].Action != report.Delayed {
		t.Errorf("UTF-8: %+v, %v", d, err)
	}
}

func TestOtherMailIsNoReport(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "Subject: Lunch\r\n\r\nbob@example.net: are you there?\r\n",
		strings.Replace(vacation, "auto-replied", "no", 1),
		"From: anna@example.org\r\nSubject: question\r\n\r\nWhat is 550 5.1.1 user unknown? I wrote to <bob@example.net>:\r\n",
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n--b--\r\n",
	} {
		if d, err := report.ReadDSN(split2(s)); !errors.Is(err, report.ErrNoDSN) {
			t.Errorf("%q: %+v, %v", s, d, err)
		}
	}
}

func TestBounceBounds(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "Final-Recipient: rfc822; u%d@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n", i)
	}
	b.WriteString("--b--\r\n")
	d, err := report.ReadDSN(split2(b.String()))
	if err != nil || len(d.Recipients) != report.MaxRecipients {
		t.Errorf("%d recipients, %v", len(d.Recipients), err)
	}
	long := strings.Replace(qmail, "no such user", strings.Repeat("no such user ", 50_000), 1)
	if d, err = report.ReadDSN(split2(long)); err != nil || len(d.Recipients[0].Text) > report.MaxText {
		t.Errorf("long text: %v", err)
	}
}

// TestBouncesAreReadInLinearTime reads what would show a square.
func TestBouncesAreReadInLinearTime(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{
		"lines":      "<bob@example.com>:\r\n",
		"others":     "%d <u%d@example.com>: 550 no\r\n",
		"codes":      "5.1.1 ",
		"commands":   ">>> RCPT To:<bob@example.com>\r\n<<< 550 no\r\n",
		"rcpt":       "rcpt to:<a%d@b.example> ",
		"fields":     "Final-Recipient: rfc822; u%d@example.net\r\n\r\n",
		"quotes":     "> > > > > ",
		"recipients": "recipient u%d@example.net\r\n",
	} {
		var b strings.Builder
		b.WriteString("From: MAILER-DAEMON@x.example\r\n\r\n")
		for i := 0; b.Len() < 1<<20; i++ {
			b.WriteString(strings.ReplaceAll(unit, "%d", fmt.Sprint(i)))
		}
		if took := cputime.Of(func() { _, _ = report.ReadDSN(split2(b.String())) }); took > 3*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// TestBouncesKept reads a few of the suite's files that are kept here.
func TestBouncesKept(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/bounces/*.eml")
	if len(files) < 10 {
		t.Fatal("no files")
	}
	for _, name := range files {
		want, err := os.ReadFile(strings.TrimSuffix(name, ".eml") + ".txt")
		if err != nil && os.Getenv("UPDATE") == "" {
			t.Fatal(err)
		}
		h, body := open(t, name)
		d, err := report.ReadDSN(h, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got bytes.Buffer
		fmt.Fprintf(&got, "%s %s\n", d.Kind, d.ReportingMTA)
		for _, r := range d.Recipients {
			fmt.Fprintf(&got, "%s %s %s %d %s %v: %s\n", r.Address, r.Action, r.Status, r.Reply, r.Reason, r.Hard, r.Text)
		}
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(strings.TrimSuffix(name, ".eml")+".txt", got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: got\n%swant\n%s", name, got.Bytes(), want)
		}
	}
}

func BenchmarkReadDSN(b *testing.B) {
	for name, s := range map[string]string{"qmail": qmail, "complaint": complaint} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := report.ReadDSN(split2(s)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
