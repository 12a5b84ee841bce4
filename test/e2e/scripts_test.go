package e2e_test

import (
	"strings"
	"testing"
)

// manage runs sieve-connect.
func (b *box) manage(args ...string) string {
	b.t.Helper()
	return b.tool(keepPass+"\n", "sieve-connect", append([]string{"--server", "localhost", "--port", "{sieve}", "--user", "{user}", "--passwordfd", "0", "--tlscafile", "{ca}"}, args...)...)
}

// script is put in force by sieve-connect.
func (b *box) script(name, text string) {
	b.t.Helper()
	b.manage("--localsieve", b.write(name, text), "--remotesieve", name, "--upload")
	b.manage("--remotesieve", name, "--activate")
}

// TestScriptsOfSieveConnectTakeEffect: what a user uploads decides about the
// next message.
func TestScriptsOfSieveConnectTakeEffect(t *testing.T) {
	t.Parallel()
	k := startKeeper(t, "", "ann", "bob")
	ann, bob := k.boxOf(t, "ann"), k.boxOf(t, "bob")
	c := dial(t, k.smtp)
	send := func(from, subject, more string, code int) (mark string) {
		t.Helper()
		mark = newMark()
		text := "From: Writer <" + from + ">\r\nTo: ann@keep.test\r\nSubject: " + subject + "\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\nMessage-ID: <" + mark + "@sender.test>\r\n" + more + "\r\nHello.\r\n"
		if r := c.mail(from, ann.user, text); r.code != code {
			t.Errorf("%s: %s", subject, r)
		}
		return mark
	}
	ann.script("main", `require ["fileinto", "mailbox", "imap4flags", "vacation", "copy", "reject", "envelope"];
if header :contains "Subject" "list" { fileinto :create :flags "\\Flagged" "Lists/Gapura"; }
elsif header :contains "Subject" "away" { vacation :days 1 "I am away."; }
elsif header :contains "Subject" "copy" { redirect :copy "bob@keep.test"; }
elsif header :contains "Subject" "pass on" { redirect "carl@else.test"; }
elsif header :contains "Subject" "refused" { reject "No, thank you."; }
elsif header :contains "Subject" "gone" { discard; }
`)
	if out := ann.manage("--list"); !strings.Contains(out, "main") || !strings.Contains(out, "ACTIVE") {
		t.Errorf("list: %q", out)
	}

	mark := send("eve@else.test", "a list", "", 250)
	ann.arrives("Lists/Gapura", mark)
	ann.holds("Lists/Gapura", `a list \flagged`)

	for range 3 { // and the stranger hears of it once
		mark = send("eve@else.test", "away?", "", 250)
		ann.arrives("INBOX", mark)
	}
	send("list@else.test", "away, list", "List-Id: <l.else.test>\r\n", 250) // filed by the first rule
	mark = send("robot@else.test", "away", "Auto-Submitted: auto-generated\r\n", 250)
	ann.arrives("INBOX", mark)

	mark = send("eve@else.test", "copy", "", 250)
	ann.arrives("INBOX", mark)
	bob.arrives("INBOX", mark)
	mark = send("eve@else.test", "pass on", "", 250)
	eventually(t, "redirect", func() bool { return len(k.beyond.find(mark)) == 1 })
	send("eve@else.test", "gone", "", 250)
	c.ok(250, "MAIL FROM:<eve@else.test>")
	c.ok(250, "RCPT TO:<ann@keep.test>")
	c.ok(354, "DATA")
	c.send("Subject: refused\r\n\r\n.\r\n")
	if r := c.want(550); !strings.Contains(r.text, "No, thank you.") {
		t.Errorf("reject: %s", r)
	}

	// Everything that was queued has gone by now: one answer, to eve.
	eventually(t, "an empty queue", func() bool { return len(k.queued()) == 0 })
	answers := k.beyond.find("I am away.")
	if len(answers) != 1 || !strings.Contains(answers[0], "To: ") || !strings.Contains(answers[0], "eve@else.test") || !strings.Contains(answers[0], "Auto-Submitted: auto-replied") {
		t.Errorf("%d answers: %q", len(answers), answers)
	}
	if n := len(ann.folder("INBOX")); n != 5 {
		t.Errorf("%d messages in INBOX", n)
	}

	// a script that is wrong is refused, and the one in force stays
	bad := ann.write("bad", "require \"nothing\";\nkeep")
	if out, err := runTool(t, keepPass+"\n", "sieve-connect", "--server", "localhost", "--port", ann.fill("{sieve}"), "--user", ann.user, "--passwordfd", "0", "--tlscafile", ann.ca(),
		"--localsieve", bad, "--remotesieve", "bad", "--upload"); err == nil && !strings.Contains(out, "line") {
		t.Errorf("a wrong script: %s", out)
	}
	back := ann.dir + "/back"
	ann.manage("--remotesieve", "main", "--localsieve", back, "--download")
	if out := ann.tool("", "cat", back); !strings.Contains(out, "I am away.") {
		t.Errorf("came back: %q", out)
	}
	ann.manage("--deactivate")
	ann.manage("--remotesieve", "main", "--delete")
	mark = send("eve@else.test", "a list", "", 250)
	ann.arrives("INBOX", mark)
}
