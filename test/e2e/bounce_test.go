package e2e_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
)

// TestBouncesComeBackToSignedAddresses and tell the suppression list; forged
// ones are refused.
func TestBouncesComeBackToSignedAddresses(t *testing.T) {
	t.Parallel()
	far, near := startBackend(t, nil), startBackend(t, nil)
	g := serve(t, fmt.Sprintf(`networks: {relay: [127.0.0.2/32]}
outbound: {route: "smtp://%s"}
domains:
  sender.test: {deliver: proxy, backends: ["smtp://%s"]}
bounces: {sign: true, refuse_unsigned: true, feedback: [fbl@sender.test]}
suppression: {bounces: 1}
`, far.addr, near.addr))
	l := newLetter()
	if r := dialAs(t, g, "127.0.0.2").mail("ann@sender.test", "bob@far.example", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	eventually(t, "the mail arrives", func() bool { return len(far.find(l.mark)) == 1 })
	signed := ""
	for _, a := range far.senders() {
		if regexp.MustCompile(`^prvs=[0-9a-f]{10}=ann@sender\.test$`).MatchString(a) {
			signed = a
		}
	}
	if signed == "" {
		t.Fatalf("it left as %q", far.senders())
	}
	bounce := "From: MAILER-DAEMON@far.example\r\nTo: <ann@sender.test>\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program at far.example.\r\n\r\n<bob@far.example>:\r\nRemote host said: 550 5.1.1 no such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n" + l.String()
	for to, code := range map[string]int{"ann@sender.test": 550, strings.Replace(signed, "ann", "eve", 1): 550, "postmaster@sender.test": 250, signed: 250} {
		c := dial(t, g.smtp)
		c.ok(250, "MAIL FROM:<>")
		if r := c.cmd("RCPT TO:<" + to + ">"); r.code != code {
			t.Errorf("bounce to %s: %s", to, r)
		}
		c.ok(221, "QUIT")
	}
	if r := dial(t, g.smtp).mail("", signed, bounce); r.code != 250 {
		t.Fatal(r)
	}
	if got := near.find("qmail-send program"); len(got) != 1 {
		t.Errorf("%d bounces reached the sender", len(got))
	}
	out, err := g.run("suppress", "list")
	if err != nil || !strings.Contains(out, "bob@far.example for sender.test: bounce since ") || !strings.Contains(out, "550 5.1.1 no such user") {
		t.Errorf("%v: %s", err, out)
	}
	c := dialAs(t, g, "127.0.0.2")
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	if r := c.cmd("RCPT TO:<bob@far.example>"); r.code != 550 || !strings.Contains(r.text, "earlier mail bounced on ") {
		t.Errorf("a second message: %s", r)
	}

	complaint := "From: fbl@far.example\r\nSubject: complaint\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Far/1\r\nVersion: 1\r\nOriginal-Mail-From: <" + signed + ">\r\nOriginal-Rcpt-To: <carl@far.example>\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + l.String() + "\r\n--b--\r\n"
	if r := dial(t, g.smtp).mail("fbl@far.example", "fbl@sender.test", complaint); r.code != 250 {
		t.Fatal(r)
	}
	if out, err = g.run("suppress", "list", "--reason", "complaint"); err != nil || !strings.Contains(out, "carl@far.example for sender.test: complaint since ") {
		t.Errorf("%v: %s", err, out)
	}
	if n := g.metric("gapura_returned_total", `kind="complaint"`); n != 1 {
		t.Errorf("%v complaints counted", n)
	}
}

// TestRefusalsSuppress: an address that a next hop refuses for good is not
// written to again.
func TestRefusalsSuppress(t *testing.T) {
	t.Parallel()
	far := startBackend(t, nil)
	far.set(func(to string) error {
		if strings.HasPrefix(to, "gone") {
			return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "unknown user"}
		}
		return nil
	}, nil)
	g := serve(t, fmt.Sprintf("networks: {relay: [127.0.0.0/8]}\noutbound: {route: \"smtp://%s\"}\ndomains:\n  sender.test: {deliver: proxy, backends: [\"smtp://%s\"]}\nsuppression: {bounces: 1}\n", far.addr, far.addr))
	l := newLetter()
	if r := dial(t, g.smtp).mail("ann@sender.test", "gone@far.example", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	eventually(t, "the sender is told", func() bool { return len(far.find("could NOT be delivered")) == 1 })
	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	if r := c.cmd("RCPT TO:<gone@far.example>"); r.code != 550 || !strings.Contains(r.text, "(550 5.1.1 unknown user)") {
		t.Errorf("again: %s", r)
	}
}
