package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/peers"
)

// TestScannerThatIsDown: the mail passes with a mark, or waits, as the
// configuration says.
func TestScannerThatIsDown(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	full := strings.Replace(w.fullYAML(), w.clamd.addr, fmt.Sprintf("127.0.0.1:%d", port), 1)
	l := attachment("eicar.txt", "text/plain", []byte(eicar))
	g := serve(t, strings.Replace(full, "timeout: 30s", "timeout: 30s, on_error: defer", 1))
	if r := dialAs(t, g, senderNet).mail("ann@sender.test", "alice@dest.test", w.signed(t, l)); r.code != 451 {
		t.Errorf("on_error: defer: %s", r)
	}
	g = serve(t, full)
	if r := dialAs(t, g, senderNet).mail("ann@sender.test", "alice@dest.test", w.signed(t, l)); r.code != 250 {
		t.Fatal(r)
	}
	if got := w.dest.one(t, "alice@dest.test", l.mark); !strings.Contains(got, "\r\nX-Virus-Status: Not Scanned\r\n") {
		t.Errorf("no mark:\n%.2000s", got)
	}
	// With a second daemon that runs.
	g = serve(t, strings.Replace(full, `clamd: "`, `clamd: "`+w.clamd.addr+",", 1))
	refused(t, g, dialAs(t, g, senderNet).mail("ann@sender.test", "alice@dest.test", w.signed(t, l)), 550, "5.7.1 The message carries Eicar-Test-Signature")
}

// TestResolverThatIsDown: mail passes, late but within a minute, and says that
// nothing could be checked.
func TestResolverThatIsDown(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, strings.Replace(w.fullYAML(), w.dns.addr, fmt.Sprintf("127.0.0.1:%d", port), 1))
	l := newLetter()
	msg := w.signed(t, l)
	begin := time.Now()
	if r := dialAs(t, g, strangeIP).mail("ann@sender.test", "alice@dest.test", msg); r.code != 250 {
		t.Fatal(r)
	}
	t.Logf("took %s", time.Since(begin))
	got := w.dest.one(t, "alice@dest.test", l.mark)
	for _, want := range []string{"spf=temperror", "dkim=temperror", "dmarc=temperror"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%.1500s", want, got)
		}
	}
}

// TestOneMessageForTwoBackends: plain SMTP has one reply for all, so Postfix is
// asked to send the second recipient again; LMTP and PRDR take both at once.
func TestOneMessageForTwoBackends(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	check := func(t *testing.T, mark string) {
		t.Helper()
		one, two := w.dest.one(t, "alice@dest.test", mark), w.second.one(t, "bob@second.test", mark)
		for _, got := range []string{one, two} {
			if ours, _, _ := strings.Cut(got, "\r\nFrom: "); strings.Contains(ours, "for <alice") && strings.Contains(ours, "for <bob") {
				t.Errorf("one recipient hears of the other: %s", ours)
			}
		}
	}
	a := sendingPostfix(t, g.smtp, "")
	l := newLetter()
	c := dial(t, a.addr)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	c.ok(250, "RCPT TO:<alice@dest.test>")
	c.ok(250, "RCPT TO:<bob@second.test>")
	c.ok(354, "DATA")
	c.send(w.signed(t, l) + ".\r\n")
	c.want(250)
	eventually(t, "the queue of the sender to be empty", func() bool { return a.queued() == 0 })
	check(t, l.mark)

	l = newLetter()
	swaks(t, w.signed(t, l), "--server", g.smtp, "--prdr", "--to", "alice@dest.test,bob@second.test")
	check(t, l.mark)

	l = newLetter()
	swaks(t, w.signed(t, l), "--protocol", "LMTP", "--socket", g.lmtp, "--to", "alice@dest.test,bob@second.test")
	check(t, l.mark)
}

// TestManyRecipients: one copy for each of a hundred, in one transaction.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	mu := make(chan []string, 1)
	mu <- nil
	b.set(func(to string) error {
		mu <- append(<-mu, to)
		return nil
	}, nil)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	l := newLetter()
	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	for i := range 100 {
		c.ok(250, fmt.Sprintf("RCPT TO:<user%d@dest.test>", i))
	}
	c.ok(452, "RCPT TO:<toomany@dest.test>")
	c.ok(354, "DATA")
	c.send(l.String() + ".\r\n")
	c.want(250)
	if got := b.find(l.mark); len(got) != 1 || strings.Contains(got[0], "for <") {
		t.Errorf("%d copies: %q", len(got), got)
	}
	if asked := len(<-mu); asked != 200 {
		t.Errorf("the backend heard %d RCPT, want each twice", asked)
	}
}

// TestDovecotOverItsSocket.
func TestDovecotOverItsSocket(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "lmtp+unix://"+w.dest.unix)))
	l := newLetter()
	c := dial(t, g.smtp)
	refused(t, g, c.mail("ann@sender.test", "nobody@dest.test", l.String()), 550, "5.1.1 <nobody@dest.test> User doesn't exist")
	if r := c.mail("ann@sender.test", "alice@dest.test", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	arrivedWhole(t, w.dest.one(t, "alice@dest.test", l.mark), l.String())
}

// TestHealth: alive, ready, measured.
func TestHealth(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	l := newLetter()
	if r := dial(t, g.smtp).mail("ann@sender.test", "alice@dest.test", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := g.get(path); code != 200 {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if n := g.metric("gapura_smtp_commands_total", `verb="END"`); n != 1 {
		t.Errorf("%v messages are counted", n)
	}
	if code, _ := g.get("/elsewhere"); code != 404 {
		t.Errorf("/elsewhere: %d", code)
	}
}
