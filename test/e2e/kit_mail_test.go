package e2e_test

import (
	"archive/zip"
	"bytes"
	"crypto"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	wire "github.com/miekg/dns"
)

// letter is a message to be built.
type letter struct {
	from    string // domain of From is who the author claims to be
	mark    string // occurs in it and nowhere else
	header  string // further fields
	body    string
	plainly bool // without Content fields of its own
	date    time.Time
}

func newMark() string { return fmt.Sprintf("mark-%016x", rand.Uint64()) }

// newLetter returns a small clean letter of sender.test.
func newLetter() letter {
	return letter{from: "ann@sender.test", mark: newMark(), body: "Hello!\r\n", date: time.Now()}
}

// String returns the message with CRLF line ends.
func (l letter) String() string {
	content := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
	if l.plainly {
		content = ""
	}
	return "From: Ann <" + l.from + ">\r\nTo: alice@dest.test\r\nSubject: " + l.mark + "\r\nDate: " + l.date.Format(time.RFC1123Z) +
		"\r\nMessage-ID: <" + l.mark + "@sender.test>\r\n" + content + l.header + "\r\n" + l.body
}

// filler is n octets of text, 8-bit, dots at the beginning of lines.
func filler(n int) string {
	lines := []string{
		".", "..", ". one dot", "plain text that fills a line up to some length and then ends", "grüße, Übergrößenträger: 8-bit text",
		"", "From the beginning of a line", "trailing spaces   ", strings.Repeat("x", 900),
	}
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(lines[i%len(lines)] + "\r\n")
	}
	return b.String()
}

// sign puts a DKIM signature on top with go-msgauth.
func sign(t testing.TB, msg, domain, selector string, key crypto.Signer) string {
	t.Helper()
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(msg), &dkim.SignOptions{
		Domain: domain, Selector: selector, Signer: key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationSimple,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// signed is the message as sender.test signs it.
func (w *world) signed(t testing.TB, l letter) string {
	t.Helper()
	return sign(t, l.String(), "sender.test", "s1", w.dns.keys.rsa)
}

// verifies checks all DKIM signatures with go-msgauth, whose keys come from the
// world's DNS.
func (w *world) verifies(t testing.TB, msg string, signatures int) {
	t.Helper()
	list, err := dkim.VerifyWithOptions(strings.NewReader(msg), &dkim.VerifyOptions{LookupTXT: w.lookupTXT})
	if err != nil || len(list) != signatures {
		t.Fatalf("%d signatures, %v", len(list), err)
	}
	for _, v := range list {
		if v.Err != nil {
			t.Errorf("signature of %s: %v", v.Domain, v.Err)
		}
	}
}

func (w *world) lookupTXT(name string) (texts []string, err error) {
	m := new(wire.Msg).SetQuestion(wire.Fqdn(name), wire.TypeTXT)
	m.SetEdns0(1232, true)
	in, _, err := (&wire.Client{Net: "tcp"}).Exchange(m, w.dns.addr)
	if err != nil {
		return nil, err
	}
	if in.Rcode != wire.RcodeSuccess {
		return nil, &net.DNSError{Err: wire.RcodeToString[in.Rcode], Name: name, IsNotFound: in.Rcode == wire.RcodeNameError}
	}
	for _, rr := range in.Answer {
		if x, ok := rr.(*wire.TXT); ok {
			texts = append(texts, strings.Join(x.Txt, ""))
		}
	}
	return texts, nil
}

// attachment is a letter that carries data.
func attachment(name, kind string, data []byte) letter {
	l := newLetter()
	l.plainly = true
	l.header = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b=1\"\r\n"
	l.body = "--b=1\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n--b=1\r\nContent-Type: " + kind + "; name=\"" + name +
		"\"\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64Lines(data) + "--b=1--\r\n"
	return l
}

func base64Lines(data []byte) string {
	s := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s + "\r\n"
}

// zipped is an archive of one file.
func zipped(t testing.TB, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// one waits for the one copy of a message in a mailbox.
func (m *mailboxes) one(t testing.TB, user, mark string) string {
	t.Helper()
	var got []string
	eventually(t, "delivery to "+user, func() bool { got = m.find(user, mark); return len(got) > 0 })
	if len(got) > 1 {
		t.Fatalf("%d copies for %s", len(got), user)
	}
	return got[0]
}

// arrivedWhole checks that got is sent below the trace fields of the servers
// it went through, octet for octet, and returns those fields.
func arrivedWhole(t testing.TB, got, sent string) (top string) {
	t.Helper()
	top, ok := strings.CutSuffix(got, sent)
	if !ok {
		t.Fatalf("changed on its way: sent %d octets, got %d octets, which begin\n%.1500s", len(sent), len(got), got)
	}
	for _, line := range strings.Split(strings.TrimSuffix(top, "\r\n"), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch {
		case line != "" && (line[0] == ' ' || line[0] == '\t'):
		case name == "Return-Path", name == "Delivered-To", name == "X-Original-To", name == "Received", name == "Authentication-Results":
		default:
			t.Errorf("not a trace field: %q", line)
		}
	}
	if !strings.Contains(top, "Received: from ") || !strings.Contains(top, "by "+gapuraName) {
		t.Errorf("no Received of ours: %q", top)
	}
	return top
}
