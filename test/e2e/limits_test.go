package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhoSendsTooMuchIsHeld and released by one command, which lets the mail
// go too.
func TestWhoSendsTooMuchIsHeld(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, fmt.Sprintf(`networks: {relay: [127.0.0.0/8]}
domains:
  dest.test: {deliver: proxy, backends: ["smtp://%s"]}
quota:
  client: {messages_hour: 3}
  tell: 50
  hold: {refusals: 2, alert: admin@dest.test}
`, b.addr))
	send := func() (reply, letter) {
		l := newLetter()
		return dial(t, g.smtp).mail("ann@sender.test", "bob@dest.test", l.String()), l
	}
	for i := range 3 {
		r, _ := send()
		if out, err := g.run("quota", "list"); err != nil || !strings.Contains(out, fmt.Sprintf("%d of 3", i+1)) {
			t.Errorf("%v: %s", err, out)
		}
		if r.code != 250 || strings.Contains(r.text, "of 3 messages an hour left") != (i > 0) {
			t.Errorf("message %d: %s", i, r)
		}
	}
	for range 2 {
		c := dial(t, g.smtp)
		if r := c.cmd("MAIL FROM:<ann@sender.test>"); r.code != 452 || !strings.Contains(r.text, "4.7.1 Sending limit reached: 3 messages an hour; 0 left, again from ") {
			t.Errorf("beyond the limit: %s", r)
		}
	}
	eventually(t, "the administrator is written to", func() bool { return len(b.find("Subject: Sending is held: 127.0.0.1")) == 1 })
	out, err := g.run("quota", "show", "127.0.0.1")
	if err != nil || !strings.Contains(out, "3 of 3 this hour") || !strings.Contains(out, "HELD since ") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := g.run("quota", "reset", "127.0.0.1"); err != nil {
		t.Fatal(err, out)
	}
	r, held := send() // it may again, at once
	if r.code != 250 {
		t.Errorf("after the reset: %s", r)
	}
	if out, err = g.run("queue", "list", "--state", "held"); err != nil || !strings.Contains(out, "bob@dest.test") || len(b.find(held.mark)) != 0 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = g.run("quota", "release", "127.0.0.1"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	_, next := send() // is held no more, or nobody would ever release it
	eventually(t, "the mail goes", func() bool { return len(b.find(held.mark)) == 1 && len(b.find(next.mark)) == 1 })
}

// TestSuppressedRecipientsAreRefused with what to do about it.
func TestSuppressedRecipientsAreRefused(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, fmt.Sprintf("networks: {relay: [127.0.0.0/8]}\noutbound: {route: \"smtp://%s\"}\ndomains:\n  dest.test: {deliver: proxy, backends: [\"smtp://%s\"]}\n", b.addr, b.addr))
	if out, err := g.run("suppress", "add", "bob@far.example", "--domain", "sender.test", "--detail", "550 5.1.1 unknown user"); err != nil {
		t.Fatal(err, out)
	}
	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	for _, name := range []string{"Bob", "carl"} { // the second is added while the list is in use
		r := c.cmd("RCPT TO:<" + name + "@far.example>")
		if address := strings.ToLower(name) + "@far.example"; r.code != 550 || !strings.Contains(r.text, "5.7.1 "+address+": it is on the list") || !strings.Contains(r.text, "gapura suppress remove "+address+" --domain sender.test") {
			t.Errorf("%s is on the list: %s", name, r)
		}
		if out, err := g.run("suppress", "add", "carl@far.example", "--domain", "sender.test"); err != nil {
			t.Fatal(err, out)
		}
	}
	c.ok(250, "RCPT TO:<eve@far.example>")
	c.ok(250, "RSET")
	c.ok(250, "MAIL FROM:<ann@other.test>")
	c.ok(250, "RCPT TO:<bob@far.example>")
	c.ok(250, "RSET")
	if out, err := g.run("suppress", "remove", "bob@far.example"); err != nil {
		t.Fatal(err, out)
	}
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	c.ok(250, "RCPT TO:<bob@far.example>")
}
