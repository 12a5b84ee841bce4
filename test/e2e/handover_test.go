package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// domainsYAML: no filters, these backends for dest.test.
func domainsYAML(more string, backends ...string) string {
	return fmt.Sprintf("domains:\n  dest.test: {deliver: proxy, backends: [%s]%s}\n", strings.Join(backends, ", "), more)
}

// TestUnknownUserGetsTheBackendsReply with our trace id.
func TestUnknownUserGetsTheBackendsReply(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	c := dialAs(t, g, senderNet)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	for range 2 { // asked, then remembered
		refused(t, g, c.cmd("RCPT TO:<nobody@dest.test>"), 550, "5.1.1 <nobody@dest.test> User doesn't exist: nobody@dest.test")
		refused(t, g, c.cmd("RCPT TO:<nobody@second.test>"), 550, "5.1.1 <nobody@second.test>: Recipient address rejected: User unknown")
	}
	refused(t, g, c.cmd("RCPT TO:<alice@elsewhere.test>"), 550, "5.7.1 Relaying denied")
	c.ok(250, "RCPT TO:<alice@dest.test>")
}

// TestBackendsTemporaryRepliesArePassedOn, for RCPT and for the message; later
// the mail goes through.
func TestBackendsTemporaryRepliesArePassedOn(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	c := dial(t, g.smtp)
	l := newLetter()
	b.set(func(string) error { return says(450, [3]int{4, 2, 1}, "Mailbox is being moved") }, nil)
	refused(t, g, c.mail("ann@sender.test", "alice@dest.test", l.String()), 450, "4.2.1 Mailbox is being moved")
	b.set(nil, func() error { return says(452, [3]int{4, 2, 2}, "Mailbox is full") })
	refused(t, g, c.mail("ann@sender.test", "alice@dest.test", l.String()), 452, "4.2.2 Mailbox is full")
	b.set(nil, func() error { return says(554, [3]int{5, 6, 0}, "No pictures here") })
	refused(t, g, c.mail("ann@sender.test", "alice@dest.test", l.String()), 554, "5.6.0 No pictures here")
	// Known before, unknown now: the client is asked to come again, then told.
	b.set(func(string) error { return says(550, [3]int{5, 1, 1}, "Gone") }, nil)
	refused(t, g, c.mail("ann@sender.test", "alice@dest.test", l.String()), 451, "4.3.0 ")
	refused(t, g, c.mail("ann@sender.test", "alice@dest.test", l.String()), 550, "5.1.1 Gone")
	if got := b.find(l.mark); len(got) > 0 {
		t.Fatalf("a refused message arrived %d times", len(got))
	}
	b.set(nil, nil)
	if r := c.mail("ann@sender.test", "bob@dest.test", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	if got := b.find(l.mark); len(got) != 1 || !strings.HasSuffix(got[0], l.String()) {
		t.Errorf("got %q", got)
	}
}

// TestMailWaitsAtTheSenderWhileTheBackendIsDown: 451 to the client, and
// Postfix's queue is delivered when the backend is back.
func TestMailWaitsAtTheSenderWhileTheBackendIsDown(t *testing.T) {
	t.Parallel()
	theWorld(t)
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, domainsYAML("", fmt.Sprintf(`"lmtp://127.0.0.1:%d"`, port)))
	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	refused(t, g, c.cmd("RCPT TO:<alice@dest.test>"), 451, "4.4.1 ")
	if code, text := g.get("/readyz"); code != 503 {
		t.Errorf("/readyz: %d %s", code, text)
	}

	a := sendingPostfix(t, g.smtp, "")
	var marks []string
	for range 10 {
		l := newLetter()
		marks = append(marks, l.mark)
		if r := dial(t, a.addr).mail("ann@sender.test", "alice@dest.test", l.String()); r.code != 250 {
			t.Fatal(r)
		}
	}
	eventually(t, "deferral", func() bool { return strings.Contains(a.output(0), "status=deferred") })
	// A message on its way from one of Postfix's folders to another is counted
	// twice, or not.
	eventually(t, "all to wait", func() bool { return a.queued() == len(marks) })
	m, err := startDovecot(folder(t), port)
	if err != nil {
		t.Fatal(err)
	}
	m.showOnFailure(t)
	t.Cleanup(m.stop)
	a.flush(t)
	eventually(t, "the queue of the sender to be empty", func() bool { return a.queued() == 0 })
	for _, mark := range marks {
		m.one(t, "alice@dest.test", mark)
	}
	if code, _ := g.get("/readyz"); code != 200 {
		t.Errorf("/readyz: %d", code)
	}
}

// TestSecondBackendStandsIn: for one that refuses connections, one that closes
// them, one that hangs up during the message.
func TestSecondBackendStandsIn(t *testing.T) {
	t.Parallel()
	second := startBackend(t, nil)
	first := startBackend(t, nil)
	r := startRelay(t, func() string { return first.addr })
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+r.addr), fmt.Sprintf("%q", "smtp://"+second.addr)))
	send := func() string {
		t.Helper()
		l := newLetter()
		l.body = filler(200_000)
		if r := dial(t, g.smtp).mail("ann@sender.test", "alice@dest.test", l.String()); r.code != 250 {
			t.Fatal(r)
		}
		return l.mark
	}
	if mark := send(); len(first.find(mark)) != 1 || len(second.find(mark)) != 0 {
		t.Error("the first backend is not the first")
	}
	// The connection breaks in the middle of the hand-over.
	held := r.holdWhen(func(up bool, sent int64, _ []byte) bool { return up && sent > 100_000 })
	go func() {
		<-held
		first.srv.Close() // nobody listens any more, and what is open is closed
	}()
	if mark := send(); len(first.find(mark)) != 0 || len(second.find(mark)) != 1 {
		t.Error("the second backend did not stand in")
	}
	if mark := send(); len(second.find(mark)) != 1 {
		t.Error("the second backend does not stand in")
	}
}

// TestHandOverThatBreaks is told to the client as 451, before the end of the
// message and after it; nothing is promised that the backend did not promise.
// (Not with go-smtp behind us, which takes half a BDAT chunk for a message.)
func TestHandOverThatBreaks(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	r := startRelay(t, func() string { return w.dest.addr })
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "lmtp://"+r.addr)))
	const size = 200_000
	for name, c := range map[string]struct {
		cut    func(up bool, sent int64, chunk []byte) bool
		copies int
	}{
		"in the middle":   {func(up bool, sent int64, _ []byte) bool { return up && sent > size/2 }, 0},
		"after the end":   {func(up bool, sent int64, chunk []byte) bool { return !up && sent > size }, 1},
		"nothing answers": {func(bool, int64, []byte) bool { return true }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLetter()
			l.body = filler(size)
			client := dial(t, g.smtp)
			client.ok(250, "MAIL FROM:<ann@sender.test>")
			client.ok(250, "RCPT TO:<alice@dest.test>")
			r.cutWhen(c.cut)
			defer r.cutWhen(nil)
			client.ok(354, "DATA")
			client.send(stuffed(l.String()) + ".\r\n")
			answer, err := client.read()
			if err != nil {
				t.Fatal(err)
			}
			refused(t, g, answer, 451, "4.4.")
			if c.copies > 0 {
				w.dest.one(t, "alice@dest.test", l.mark)
			} else if got := w.dest.find("alice@dest.test", l.mark); len(got) > 0 {
				t.Errorf("%d copies", len(got))
			}
			client.ok(221, "QUIT")
		})
	}
}

// TestBackendsCertificateIsChecked, name and authority, by STARTTLS to Postfix
// and to Dovecot.
func TestBackendsCertificateIsChecked(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	for _, x := range []struct {
		scheme, name, domain string
		box                  *mailboxes
	}{
		{"smtp+starttls", "mail.second.test", "second.test", w.second},
		{"lmtp+starttls", "mail.dest.test", "dest.test", w.dest},
	} {
		t.Run(x.scheme, func(t *testing.T) {
			config := func(tls string) string {
				return fmt.Sprintf("domains:\n  %s: {deliver: proxy, backends: [\"%s://%s\"], tls: {%s}}\n", x.domain, x.scheme, x.box.addr, tls)
			}
			to := "alice@" + x.domain
			l := newLetter()
			g := serve(t, config("ca: ca.pem, name: "+x.name))
			if r := dial(t, g.smtp).mail("ann@sender.test", to, l.String()); r.code != 250 {
				t.Fatal(r)
			}
			got := x.box.one(t, to, l.mark)
			if x.domain == "second.test" && !strings.Contains(got, "by mail.second.test (Postfix) with ESMTPS") {
				t.Errorf("no TLS: %s", got)
			}
			for why, tls := range map[string]string{"name": "ca: ca.pem, name: wrong.test", "authority": "name: " + x.name} {
				g := serve(t, config(tls))
				c := dial(t, g.smtp)
				c.ok(250, "MAIL FROM:<ann@sender.test>")
				if r := c.cmd("RCPT TO:<" + to + ">"); r.code != 451 || !strings.HasPrefix(r.text, "4.7.0 ") {
					t.Errorf("wrong %s: %s", why, r)
				}
			}
		})
	}
}
