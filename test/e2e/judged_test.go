package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// traceID matches the end of a refusal.
var traceID = regexp.MustCompile(` \(see ([0-9A-Z]{26}[0-9.-]*)\)$`)

// refused checks that a reply is a refusal with these words, and that its
// trace id leads to a line of the log.
func refused(t *testing.T, g *gapura, r reply, code int, words string) {
	t.Helper()
	m := traceID.FindStringSubmatch(r.text)
	if r.code != code || !strings.HasPrefix(r.text, words) || m == nil {
		t.Fatalf("got %q, want %d %s (see ID)", r, code, words)
	}
	eventually(t, "the trace id in the log", func() bool {
		return strings.Contains(g.log.since(0), `"id":"`+m[1]+`"`)
	})
}

// TestVirusIsRefusedInSession, however it is wrapped; nothing arrives.
func TestVirusIsRefusedInSession(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	inner := attachment("eicar.com.txt", "application/octet-stream", []byte(eicar))
	forwarded := newLetter()
	forwarded.plainly = true
	forwarded.header = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n"
	forwarded.body = "--outer\r\nContent-Type: text/plain\r\n\r\nFwd\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n" + inner.String() + "\r\n--outer--\r\n"
	twice := zipped(t, "inner.zip", zipped(t, "eicar.com", []byte(eicar)))
	for name, l := range map[string]letter{
		"base64":     inner,
		"zip":        attachment("a.zip", "application/zip", zipped(t, "eicar.com", []byte(eicar))),
		"zip in zip": attachment("a.zip", "application/zip", twice),
		"forwarded":  forwarded,
	} {
		for _, way := range []string{"DATA", "BDAT"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				c := dialAs(t, g, senderNet)
				msg := w.signed(t, l)
				var r reply
				if way == "BDAT" {
					r = c.bdat("ann@sender.test", "alice@dest.test", msg, 1000)
				} else {
					r = c.mail("ann@sender.test", "alice@dest.test", msg)
				}
				refused(t, g, r, 550, "5.7.1 The message carries Eicar-Test-Signature")
				c.ok(221, "QUIT")
			})
		}
		if got := w.dest.find("alice@dest.test", l.mark); len(got) > 0 {
			t.Errorf("%s arrived", name)
		}
	}
}

// TestPostfixBouncesVirus: the refusal reaches the author through his own
// server, nobody else gets a bounce.
func TestPostfixBouncesVirus(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	// Bounces go to bob, by way of Postfix B.
	a := sendingPostfix(t, g.smtp, "transport_maps = inline:{second.test=smtp:["+strings.Replace(w.second.addr, ":", "]:", 1)+"}\n")
	l := attachment("eicar.com", "application/octet-stream", []byte(eicar))
	if r := dial(t, a.addr).mail("bob@second.test", "alice@dest.test", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	got := w.second.one(t, "bob@second.test", l.mark)
	if flat := strings.Join(strings.Fields(got), " "); !strings.Contains(flat, "550 5.7.1 The message carries Eicar-Test-Signature") || !strings.Contains(got, "Return-Path: <>") {
		t.Errorf("no bounce with the reason: %s", got)
	}
}

// TestSpoofedMailIsRefusedWithItsReason, but not what forwarding broke.
func TestSpoofedMailIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	const words = "5.7.1 DMARC: sender.test asks receivers to reject this"
	send := func(msg string) reply {
		t.Helper()
		return dialAs(t, g, strangeIP).mail("who@other.test", "alice@dest.test", msg)
	}

	l := newLetter()
	refused(t, g, send(l.String()), 550, words)

	l = newLetter() // signed, but by somebody else
	refused(t, g, send(sign(t, l.String(), "other.test", "s1", w.dns.keys.rsa)), 550, words)

	l = newLetter() // signed, then changed
	refused(t, g, send(strings.Replace(w.signed(t, l), "Hello!", "Hallo!", 1)), 550, words)

	l = newLetter()
	l.header = "List-Id: <friends.other.test>\r\n"
	if r := send(l.String()); r.code != 250 {
		t.Fatal("list mail:", r)
	}
	if got := w.dest.one(t, "alice@dest.test", l.mark); !strings.Contains(got, "\r\nX-Spam-Flag: YES\r\n") || !strings.Contains(got, "dmarc=fail") {
		t.Errorf("list mail is not marked as junk:\n%s", got)
	}
	if len(w.dest.find("alice@dest.test", "Hallo!")) > 0 {
		t.Error("a refused message arrived")
	}
}

// sealScript seals a message with dkimpy, which nobody here wrote.
const sealScript = `import sys, dkim
msg = sys.stdin.buffer.read()
domain, keyfile = sys.argv[1:3]
lines = dkim.arc_sign(msg, b's1', domain.encode(), open(keyfile,'rb').read(), domain.encode(),
    include_headers=[b'from', b'to', b'subject', b'date', b'message-id'])
if not lines: sys.exit('nothing sealed')
sys.stdout.buffer.write(b''.join(l if l.endswith(b'\r\n') else l.rstrip(b'\n') + b'\r\n' for l in lines) + msg)
`

// sealed is msg as a forwarder of this domain received and sealed it.
func (w *world) sealed(t *testing.T, msg, domain, results string) string {
	t.Helper()
	key := filepath.Join(folder(t), "key.pem")
	if err := os.WriteFile(key, []byte(w.dns.keys.rsaPEM), 0o600); err != nil {
		t.Fatal(err)
	}
	in := "Authentication-Results: " + domain + "; " + results + "\r\n" + msg
	return pythonWith(t, in, sealScript, domain, key)
}

// TestForwardedMailWithTrustedChainIsAccepted: a list that breaks the
// signature is believed when the administrator trusts its seal.
func TestForwardedMailWithTrustedChainIsAccepted(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	const words = "5.7.1 DMARC: sender.test asks receivers to reject this"
	changed := func() (string, string) {
		l := newLetter()
		return strings.Replace(w.signed(t, l), "Hello!", "Hello!\r\n-- \r\nThe list", 1), l.mark
	}
	send := func(msg string) reply {
		return dialAs(t, g, strangeIP).mail("friends@list.test", "alice@dest.test", msg)
	}

	msg, mark := changed()
	msg = w.sealed(t, msg, "list.test", "dkim=pass header.d=sender.test; spf=pass smtp.mailfrom=ann@sender.test; dmarc=pass header.from=sender.test")
	if r := send(msg); r.code != 250 {
		t.Fatal("trusted chain:", r)
	}
	got := w.dest.one(t, "alice@dest.test", mark)
	if top := arrivedWhole(t, got, msg); !strings.Contains(top, "arc=pass") || strings.Contains(got, "X-Spam-Flag") {
		t.Errorf("trusted chain: %s", top)
	}

	msg, _ = changed()
	refused(t, g, send(w.sealed(t, msg, "other.test", "dmarc=pass header.from=sender.test")), 550, words)
	msg, _ = changed()
	refused(t, g, send(w.sealed(t, msg, "list.test", "dmarc=fail header.from=sender.test")), 550, words)
	msg, _ = changed()
	refused(t, g, send(strings.Replace(w.sealed(t, msg, "list.test", "dmarc=pass header.from=sender.test"), "The list", "The thief", 1)), 550, words)
}

// TestKeyThatDNSSECRefutesIsNotBelieved: the resolver answers SERVFAIL.
func TestKeyThatDNSSECRefutesIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	l := newLetter()
	msg := sign(t, l.String(), "sender.test", "bogus", w.dns.keys.rsa)
	if r := dialAs(t, g, senderNet).mail("ann@sender.test", "alice@dest.test", msg); r.code != 250 {
		t.Fatal(r)
	}
	if top := arrivedWhole(t, w.dest.one(t, "alice@dest.test", l.mark), msg); !strings.Contains(top, "dkim=temperror") {
		t.Errorf("got %s", top)
	}
}

// TestBlockListedClient is refused at RCPT, with what the list says, and can
// reach the postmaster.
func TestBlockListedClient(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	c := dialAs(t, g, listedIP)
	c.ok(250, "MAIL FROM:<who@other.test>")
	refused(t, g, c.cmd("RCPT TO:<alice@dest.test>"), 550, "5.7.1 Block-listed: ")
	if r := c.cmd("RCPT TO:<bob@dest.test>"); !strings.Contains(r.text, "bl.test") || !strings.Contains(r.text, "listed for the test") {
		t.Errorf("the list is not named: %s", r)
	}
	c.ok(250, "RCPT TO:<postmaster@dest.test>")
	l := newLetter()
	l.from = "who@other.test"
	c.ok(354, "DATA")
	c.send(l.String() + ".\r\n")
	c.want(250)
	w.dest.one(t, "postmaster@dest.test", l.mark)
	// Its neighbour is not listed.
	c = dialAs(t, g, "203.0.113.10")
	c.ok(250, "MAIL FROM:<>")
	c.ok(250, "RCPT TO:<alice@dest.test>")
}
