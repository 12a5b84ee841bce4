package e2e_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// wholePath is a gateway that keeps mail, with every way in and out of it.
const wholePath = `  - {protocol: submission, address: "127.0.0.1:0"}
  - {protocol: submissions, address: "127.0.0.1:0"}
  - {protocol: imaps, address: "127.0.0.1:0"}
  - {protocol: pop3s, address: "127.0.0.1:0"}
  - {protocol: pop3, address: "127.0.0.1:0"}
  - {protocol: managesieve, address: "127.0.0.1:0"}
domains: {kept.test: {deliver: mailbox}, near.test: {deliver: mailbox}}
accounts: {iterations: 15000}
mailboxes: {detail: create}
outbound: {allow: [127.0.0.0/8], route: "smtp://127.0.0.1:9"}
`

const keptPassword = "a long enough secret"

// fetch reads a URL of the gateway's mailboxes by curl, as a user.
func (g *gapura) fetch(scheme, user, path string, more ...string) string {
	g.t.Helper()
	_, port, _ := net.SplitHostPort(g.listener(strings.TrimSuffix(scheme, "://"), ""))
	args := append([]string{
		"-sS", scheme + gapuraName + ":" + port + "/" + path, "--resolve", gapuraName + ":" + port + ":127.0.0.1", "--cacert", filepath.Join(g.dir, "ca.pem"),
		"--user", user + ":" + keptPassword, "--max-time", "30",
	}, more...)
	out, err := runTool(g.t, "", "curl", args...)
	if err != nil {
		g.t.Errorf("curl %s%s: %v\n%s", scheme, path, err, out)
	}
	return out
}

// TestWholePath: mail by SMTP, LMTP and submission into mailboxes, read by
// curl over IMAP and POP3.
func TestWholePath(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	g := serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+wholePath)
	for _, u := range []string{"ana@kept.test", "bob@near.test"} {
		if out, err := runTool(t, keptPassword+"\n", program, "-c", g.file, "user", "add", u, "--password-stdin"); err != nil {
			t.Fatalf("user add: %v: %s", err, out)
		}
	}
	stranger, list, own := newLetter().String(), newLetter().String(), newLetter().String()

	// A stranger writes to users of two domains at once.
	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<me@sender.test>")
	c.ok(250, "RCPT TO:<ana@kept.test>")
	c.ok(250, "RCPT TO:<BOB@near.test>")
	c.ok(550, "RCPT TO:<nobody@kept.test>")
	c.ok(250, "RCPT TO:<postmaster@kept.test>")
	c.ok(354, "DATA")
	c.send(stuffed(stranger) + ".\r\n")
	c.want(250)

	// LMTP: each has its reply.
	l := connect(t, g.lmtp)
	l.want(220)
	l.ok(250, "LHLO backend.test")
	l.ok(250, "MAIL FROM:<list@sender.test>")
	l.ok(250, "RCPT TO:<ana+lists@kept.test>")
	l.ok(250, "RCPT TO:<bob@near.test>")
	l.ok(354, "DATA")
	l.send(stuffed(list) + ".\r\n")
	l.want(250)
	l.want(250)

	// Ana submits to bob, and to herself.
	own = strings.Replace(own, own[:strings.Index(own, "\r\n")], "From: <ana@kept.test>", 1)
	_, port, _ := net.SplitHostPort(g.listener("submission", ""))
	if out, err := runTool(t, own, "curl", "-sS", "--ssl-reqd", "smtp://"+gapuraName+":"+port+"/client.test", "--resolve", gapuraName+":"+port+":127.0.0.1",
		"--cacert", filepath.Join(dir, "ca.pem"), "--user", "ana@kept.test:"+keptPassword, "--mail-from", "ana@kept.test",
		"--mail-rcpt", "ana@kept.test", "--mail-rcpt", "bob@near.test", "-T", "-", "--max-time", "30"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// Read by IMAP. The postmaster is ana, the first user of the domain, who is
	// named twice and gets it once.
	if got := g.fetch("imaps://", "ana@kept.test", "", "-X", "STATUS INBOX (MESSAGES UNSEEN)"); !strings.Contains(got, "MESSAGES 2 UNSEEN 2") {
		t.Errorf("ana's INBOX: %s", got)
	}
	if got := g.fetch("imaps://", "ana@kept.test", "INBOX;MAILINDEX=1"); !strings.HasPrefix(got, "Return-Path: <me@sender.test>\r\n") || !strings.HasSuffix(got, stranger) {
		t.Errorf("%q", got)
	}
	if got := g.fetch("imaps://", "ana@kept.test", "lists;MAILINDEX=1"); !strings.HasSuffix(got, list) {
		t.Errorf("%q", got)
	}
	if got := g.fetch("imaps://", "ana@kept.test", "", "-X", "EXAMINE INBOX"); !strings.Contains(got, "2 EXISTS") {
		t.Errorf("%s", got)
	}

	// And by POP3.
	if got := g.fetch("pop3s://", "bob@near.test", ""); len(strings.Fields(got)) != 6 {
		t.Errorf("bob's drop: %q", got)
	}
	text := g.fetch("pop3s://", "bob@near.test", "3")
	if !strings.HasPrefix(text, "Return-Path: <ana@kept.test>\r\n") || !strings.Contains(text, "From: <ana@kept.test>\r\n") {
		t.Errorf("%q", text)
	}
	g.fetch("pop3s://", "bob@near.test", "1", "-X", "DELE", "--list-only")
	if got := g.fetch("pop3s://", "bob@near.test", ""); len(strings.Fields(got)) != 4 {
		t.Errorf("after DELE: %q", got)
	}

	// It outlives a restart.
	g.stop()
	g.start()
	if got := g.fetch("imaps://", "ana@kept.test", "", "-X", "STATUS INBOX (MESSAGES UIDNEXT)"); !strings.Contains(got, "MESSAGES 2 UIDNEXT 3") {
		t.Errorf("after a restart: %s", got)
	}
}
