package lda

import (
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestScriptsFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, want string }{
		{"keep", `keep;`, "INBOX: 1"},
		{"nothing", ``, "INBOX: 1"},
		{"discard", `discard;`, ""},
		{"fileinto", `require "fileinto"; fileinto "Archive";`, "Archive: 1"},
		{"and keep", `require "fileinto"; fileinto "Archive"; keep;`, "INBOX: 1, Archive: 1"},
		{"copy", `require ["fileinto", "copy"]; fileinto :copy "Archive";`, "INBOX: 1, Archive: 1"},
		{"twice the same", `require "fileinto"; fileinto "Archive"; fileinto "Archive";`, "Archive: 1"},
		{"missing folder", `require "fileinto"; fileinto "Nowhere";`, "INBOX: 1"},
		{"made", `require ["fileinto", "mailbox"]; fileinto :create "Lists/Go";`, "Lists/Go: 1"},
		{"special use", `require ["fileinto", "special-use"]; fileinto :specialuse "\\Trash" "Bin";`, "Trash: 1"},
		{"runtime error", `require ["variables", "regex"]; set "x" "a"; redirect "${x}";`, "INBOX: 1"},
		{"no script at all", `this is no script`, "INBOX: 1"},
		{"mailboxexists", `require ["fileinto", "mailbox"]; if mailboxexists "Archive" { fileinto "Archive"; }`, "Archive: 1"},
		{"own address", `require "envelope"; if envelope "to" "ana@home.test" { discard; }`, ""},
		{"redirect", `redirect "far@else.test";`, ""},
		{"redirect to nowhere", `redirect "x@nowhere.test";`, "INBOX: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil)
			e.script("ana@home.test", c.script)
			if got := e.deliver(copyOf("A", hello, "ana@home.test")); got[0][:3] != "250" {
				t.Error(got)
			}
			if got := e.folders("ana@home.test"); got != c.want {
				t.Errorf("%q, want %q\n%s", got, c.want, e.log)
			}
			if strings.Contains(c.name, "no script") && !strings.Contains(e.log.String(), "cannot be compiled") {
				t.Error("nobody is told that the script is broken")
			}
		})
	}
}

func TestScriptsSetFlagsAndEditHeaders(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require ["imap4flags", "editheader"]; addheader "X-Mine" "yes"; deleteheader "Subject"; setflag ["\\Seen", "work"]; keep;`)
	e.deliver(copyOf("A", hello, "ana@home.test", "bob@home.test"))
	text, flags := e.message("ana@home.test", "INBOX")
	if !strings.Contains(text, "X-Mine: yes\r\n") || strings.Contains(text, "Subject") || !strings.HasSuffix(text, "\r\n\r\nHi!\r\n") || !strings.HasPrefix(text, "Return-Path: ") {
		t.Errorf("%q", text)
	}
	if slices.Sort(flags); !slices.Equal(flags, []string{`\Seen`, "work"}) {
		t.Error(flags)
	}
	if text, _ := e.message("bob@home.test", "INBOX"); text != "Return-Path: <you@else.test>\r\n"+hello {
		t.Errorf("bob has ana's changes: %q", text)
	}
}

func TestRejectIsAReplyWhereItIsHeard(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require "reject"; reject "Write to my lawyer";`)
	e.script("bob@home.test", "require \"reject\"; reject \"Nein, nicht für mich\";")
	if got := e.deliver(copyOf("A", hello, "ana@home.test", "bob@home.test", "eve@home.test")); !slices.Equal(got, []string{
		"550 5.7.1 Write to my lawyer", "550 5.7.1 The recipient does not take this message", "250 2.0.0 Delivered",
	}) {
		t.Errorf("%q", got)
	}
	if len(e.queue.sent) > 0 || e.folders("ana@home.test") != "" {
		t.Error("who has heard it is told again, or the mail is stored")
	}
	c := copyOf("B", hello, "ana@home.test", "eve@home.test")
	c.PerRcpt = false
	for range 2 {
		if got := e.deliver(c); got[0][:3] != "250" {
			t.Error(got)
		}
	}
	if len(e.queue.sent) != 1 {
		t.Fatalf("%d reports, want one", len(e.queue.sent))
	}
	s := e.queue.sent[0]
	if s.from != "<>" || s.to != "<you@else.test>" || !strings.Contains(s.text, "Write to my lawyer") || !strings.Contains(s.text, "Action: failed") {
		t.Errorf("%+v", s)
	}
	c = copyOf("C", hello, "ana@home.test", "eve@home.test")
	c.PerRcpt, c.From = false, smtp.ReversePath{}
	if e.deliver(c); len(e.queue.sent) != 1 {
		t.Error("a report to the null sender")
	}
}

// TestExtendedRejectIsNoBackscatter: who may be forged is told by a reply
// alone.
func TestExtendedRejectIsNoBackscatter(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require "ereject"; ereject "No";`)
	c := copyOf("A", hello, "ana@home.test", "eve@home.test")
	c.PerRcpt = false
	if e.deliver(c); len(e.queue.sent) != 0 {
		t.Errorf("%+v", e.queue.sent)
	}
	c = copyOf("B", hello, "ana@home.test", "eve@home.test")
	c.PerRcpt = false
	c.Facts.Add(gateway.Fact{Name: "spf.result", Value: "pass"})
	if e.deliver(c); len(e.queue.sent) != 1 {
		t.Errorf("%+v", e.queue.sent)
	}
}

func TestVacationAnswersEachOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require "vacation"; vacation :days 3 :subject "Away" "I am away";`)
	e.deliver(copyOf("A", hello, "ana@home.test"))
	e.deliver(copyOf("B", hello, "ana@home.test"))
	other := copyOf("C", hello, "ana@home.test")
	other.From = smtp.ReversePath{Address: addr("other@else.test")}
	e.deliver(other)
	var to []string
	for _, s := range e.queue.sent {
		to = append(to, s.to)
		if s.from != "<>" && s.from != "<ana@home.test>" || !strings.Contains(s.text, "Auto-Submitted: auto-replied") || !strings.Contains(s.text, "Subject: Away\r\n") ||
			!strings.Contains(s.text, "Message-ID: <") || !strings.Contains(s.text, "I am away") {
			t.Errorf("%+v", s)
		}
	}
	if !slices.Equal(to, []string{"<you@else.test>", "<other@else.test>"}) || e.folders("ana@home.test") != "INBOX: 3" {
		t.Errorf("answered %q; %s", to, e.folders("ana@home.test"))
	}
	for i, text := range []string{
		"List-Id: <x.else.test>\r\n" + hello, "Precedence: bulk\r\n" + hello, "Auto-Submitted: auto-replied\r\n" + hello,
		strings.ReplaceAll(hello, "To: ana@home.test", "To: somebody@else.test"),
	} {
		c := copyOf("D"+string(rune('a'+i)), text, "ana@home.test")
		c.From = smtp.ReversePath{Address: addr("third@else.test")}
		if e.deliver(c); len(e.queue.sent) != 2 {
			t.Fatalf("an answer to %q", text)
		}
	}
	c := copyOf("E", hello, "ana@home.test")
	c.From = smtp.ReversePath{}
	if e.deliver(c); len(e.queue.sent) != 2 {
		t.Error("an answer to the null sender")
	}
}

func TestRedirectEndsItsLoop(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `redirect "bob@home.test";`)
	e.script("bob@home.test", `redirect "ana@home.test";`)
	text, to, n := hello, "ana@home.test", 0
	for ; to != "" && n < 10; n++ {
		e.queue.sent = nil
		e.deliver(copyOf("A"+string(rune('a'+n)), text, to))
		to = ""
		if len(e.queue.sent) == 1 {
			text, to = e.queue.sent[0].text, strings.Trim(e.queue.sent[0].to, "<>")
		}
	}
	if n > 3 || e.folders("ana@home.test")+e.folders("bob@home.test") != "INBOX: 1" {
		t.Errorf("after %d rounds: ana %s, bob %s", n, e.folders("ana@home.test"), e.folders("bob@home.test"))
	}
}

func TestDuplicatesAreKnown(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require ["duplicate", "fileinto"]; if duplicate { fileinto "Trash"; }`)
	e.deliver(copyOf("A", hello, "ana@home.test"))
	e.deliver(copyOf("B", hello, "ana@home.test"))
	if got := e.folders("ana@home.test"); got != "INBOX: 1, Trash: 1" {
		t.Error(got)
	}
}

func TestSpamAndVirusTests(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require ["spamtest", "virustest", "relational", "comparator-i;ascii-numeric", "fileinto"];
if virustest :value "eq" :comparator "i;ascii-numeric" "5" { fileinto "Trash"; }
elsif spamtest :value "ge" :comparator "i;ascii-numeric" "5" { fileinto "Junk"; }`)
	for i, c := range []struct {
		facts []gateway.Fact
		text  string
		want  string
	}{
		{nil, hello, "INBOX: 1"},
		{[]gateway.Fact{{Name: "spam.score", Value: 12.0}}, hello, "INBOX: 1, Junk: 1"},
		{nil, "X-Spam-Score: 14.2\r\n" + hello, "INBOX: 1, Junk: 2"},
		{[]gateway.Fact{{Name: "antivirus.result", Value: "infected"}}, hello, "INBOX: 1, Junk: 2, Trash: 1"},
		{[]gateway.Fact{{Name: "spam.score", Value: 1.0}, {Name: "antivirus.result", Value: "clean"}}, hello, "INBOX: 2, Junk: 2, Trash: 1"},
	} {
		m := copyOf("A"+string(rune('a'+i)), c.text, "ana@home.test")
		m.Facts.Add(c.facts...)
		if e.deliver(m); e.folders("ana@home.test") != c.want {
			t.Errorf("%d: %s, want %s", i, e.folders("ana@home.test"), c.want)
		}
	}
}

func TestIncludedScripts(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	u, err := e.Mailboxes.User(t.Context(), "ana@home.test")
	if err != nil {
		t.Fatal(err)
	}
	if err := u.PutScript(t.Context(), "other", []byte(`require "fileinto"; fileinto "Archive";`)); err != nil {
		t.Fatal(err)
	}
	e.script("ana@home.test", `require "include"; include :personal "other";`)
	if e.deliver(copyOf("A", hello, "ana@home.test")); e.folders("ana@home.test") != "Archive: 1" {
		t.Error(e.folders("ana@home.test"))
	}
}

func TestScriptsCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options, _ *mailbox.Options) { o.Sieve = false })
	e.script("ana@home.test", `discard;`)
	if e.deliver(copyOf("A", hello, "ana@home.test")); e.folders("ana@home.test") != "INBOX: 1" {
		t.Error(e.folders("ana@home.test"))
	}
}

func TestNotifyWritesMail(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.script("ana@home.test", `require "enotify"; notify :message "Mail came" "mailto:phone@else.test";`)
	e.deliver(copyOf("A", hello, "ana@home.test"))
	e.deliver(copyOf("A", hello, "ana@home.test")) // the same, tried again
	if len(e.queue.sent) != 1 || e.queue.sent[0].to != "<phone@else.test>" || !strings.Contains(e.queue.sent[0].text, "Mail came") {
		t.Errorf("%+v", e.queue.sent)
	}
}
