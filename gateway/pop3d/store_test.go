package pop3d_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/pop3d"
)

// letters are messages that have what POP3 may stumble over.
var letters = []string{
	first,
	"Subject: empty body\r\n\r\n",
	"Subject: no empty line\r\n",
	// Dovecot 2.3 stuffs no dot that is the very first octet.
	"Subject: dots\r\n.Dot: in the header\r\n\r\n.\r\n..\r\n...\r\n.x\r\n",
	"\r\nno header\r\n",
	"Subject: 8bit \xc3\xa9\r\n\r\n\xc3\xa9\xff\x80\r\n",
	"Subject: long\r\n\r\n" + strings.Repeat(strings.Repeat("y", 76)+"\r\n", 3000),
	"Subject: one line\r\n\r\n" + strings.Repeat("z", 1500) + "\r\n",
	"Subject: no line end\r\n\r\nx",
}

// fill gives bob the letters.
func fill(k *mailboxtest.Kit) *mailbox.User {
	u := k.User("bob")
	for _, s := range letters {
		k.Append(u, mailbox.Inbox, s)
	}
	return u
}

// listen serves s on a port of its own.
func listen(t testing.TB, s *pop3d.Server) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Shutdown(context.Background()); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// TestMailboxes: a user's INBOX is the maildrop.
func TestMailboxes(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	u := fill(k)
	s := newServer(t, pop3d.Options{}, pop3d.Mailboxes(k.Store))
	c := dial(t, s)
	c.login()
	ids := c.ask("UIDL")
	for i, want := range letters {
		if !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		if got := c.ask("RETR %d", i+1); got != want {
			t.Errorf("%d: %d octets, want %d", i+1, len(got), len(want))
		}
	}

	// Others see it as it is meanwhile, and their changes are not seen here.
	k.Append(u, mailbox.Inbox, first)
	v := k.Select(u, mailbox.Inbox)
	if _, err := v.Expunge(t.Context(), mailbox.One(2), true); err != nil {
		t.Fatal(err)
	}
	c.say("RETR 2", "-ERR The message has been removed meanwhile")
	c.say("RETR 10", "-ERR There is no such message")
	if got := c.ask("LIST"); strings.Contains(got, "\r\n2 ") || strings.Count(got, "\r\n") != 8 {
		t.Error(got)
	}
	two := dial(t, newServer(t, pop3d.Options{Limits: pop3d.Limits{LockWait: -1}}, pop3d.Mailboxes(k.Store)))
	two.expect("+OK")
	two.say("USER bob", "+OK")
	two.say("PASS pass word", "-ERR [IN-USE]")
	c.say("DELE 1", "+OK")
	c.say("DELE 9", "+OK")
	if v.Len() != 9 && k.Folder(u, mailbox.Inbox).Messages != 9 {
		t.Error("DELE has removed something")
	}
	c.say("QUIT", "+OK")
	c.expectEnd()

	c = dial(t, s)
	c.login()
	again := strings.Split(c.ask("UIDL"), "\r\n")
	before := strings.Split(ids, "\r\n")
	if len(again) != 8 || strings.Split(again[0], " ")[1] != strings.Split(before[2], " ")[1] || strings.Split(again[5], " ")[1] != strings.Split(before[7], " ")[1] {
		t.Errorf("%q was %q", again, before)
	}
	k.Sync(v)
	seen := 0
	for _, l := range k.Lines(v) {
		if strings.Contains(l.Flags, `\Seen`) {
			seen++
		}
	}
	if seen != 6 {
		t.Errorf("%d messages are seen: %v", seen, k.Lines(v))
	}
}
