package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// passes are what Authentication-Results says of clean mail of sender.test.
var passes = []string{"Authentication-Results: " + gapuraName + ";", "spf=pass", "dkim=pass", "dmarc=pass"}

// TestCleanMailArrivesWhole: octet for octet below our fields, its signature
// intact, by every way in and at either mailbox server.
func TestCleanMailArrivesWhole(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	for _, size := range []int{4 << 10, 1 << 20, 20 << 20} {
		for _, way := range []string{"DATA", "BDAT", "DATA with TLS", "BDAT with TLS"} {
			for _, to := range []string{"alice@dest.test", "bob@second.test"} {
				if size > 1<<20 && to == "bob@second.test" && way != "BDAT" {
					continue // once is enough
				}
				t.Run(fmt.Sprintf("%s/%d/%s", way, size, to), func(t *testing.T) {
					cleanMail(t, w, g, size, way, to)
				})
			}
		}
	}
}

func cleanMail(t *testing.T, w *world, g *gapura, size int, way, to string) {
	l := newLetter()
	l.header = "X-Long: " + strings.Repeat("a long header field that goes on and on\r\n\t", 100) + "and ends\r\n" +
		"X-8bit: gr\xc3\xbc\xc3\x9fe\r\n" + "X-Odd:\tno space,   spaces within, and none at the end\r\n"
	l.body = filler(size)
	msg := w.signed(t, l)
	c := dialAs(t, g, senderNet)
	if strings.Contains(way, "TLS") {
		c.startTLS(gapuraName)
	}
	var r reply
	if strings.HasPrefix(way, "BDAT") {
		r = c.bdat("ann@sender.test", to, msg, 300_000)
	} else {
		r = c.mail("ann@sender.test", to, msg)
	}
	if r.code != 250 {
		t.Fatal(r)
	}
	box := w.dest
	if strings.HasSuffix(to, "second.test") {
		box = w.second
	}
	got := box.one(t, to, l.mark)
	top := arrivedWhole(t, got, msg)
	for _, want := range append(passes, "from mail.sender.test (mail.sender.test ["+senderNet+"])", "Return-Path: <ann@sender.test>") {
		if !strings.Contains(top, want) {
			t.Errorf("no %q in\n%s", want, top)
		}
	}
	w.verifies(t, got, 1)
}

// TestPostfixSendsToDovecotAndPostfix: the whole way, from one Postfix through
// the gateway with STARTTLS to the two mailbox servers.
func TestPostfixSendsToDovecotAndPostfix(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	for _, level := range []string{"none", "encrypt"} {
		a := sendingPostfix(t, g.smtp, "smtp_tls_security_level = "+level+"\n")
		for _, to := range []string{"alice@dest.test", "bob@second.test"} {
			l := newLetter()
			l.body = filler(100_000)
			msg := sign(t, w.signed(t, l), "sender.test", "ed", w.dns.keys.ed)
			if r := dial(t, a.addr).mail("ann@sender.test", to, msg); r.code != 250 {
				t.Fatal(r)
			}
			box := w.dest
			if strings.HasSuffix(to, "second.test") {
				box = w.second
			}
			got := box.one(t, to, l.mark)
			top := arrivedWhole(t, got, msg)
			for _, want := range passes {
				if !strings.Contains(top, want) {
					t.Errorf("no %q in\n%s", want, top)
				}
			}
			if tls := strings.Contains(top, "with ESMTPS"); tls != (level == "encrypt") {
				t.Errorf("TLS %s: %s", level, top)
			}
			w.verifies(t, got, 2)
		}
	}
}

// TestSendmailAndSMTPUTF8: mail of the local command, and an address that is
// not ASCII, which Dovecot does not take: the sender hears so at RCPT.
func TestSendmailAndSMTPUTF8(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	a := sendingPostfix(t, g.smtp, "")
	l := newLetter()
	msg := strings.ReplaceAll(w.signed(t, l), "\r\n", "\n")
	if out, err := runTool(t, msg, "sendmail", "-C", a.conf, "-i", "-f", "ann@sender.test", "alice@dest.test"); err != nil {
		t.Fatal(err, out)
	}
	got := w.dest.one(t, "alice@dest.test", l.mark)
	arrivedWhole(t, got, strings.ReplaceAll(msg, "\n", "\r\n"))
	w.verifies(t, got, 1)

	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<änn@sender.test> SMTPUTF8")
	if r := c.cmd("RCPT TO:<alice@dest.test>"); r.code != 553 || !strings.HasPrefix(r.text, "5.6.7 ") {
		t.Errorf("Dovecot without SMTPUTF8: %s", r)
	}
	c.ok(250, "RCPT TO:<bob@second.test>")
}
