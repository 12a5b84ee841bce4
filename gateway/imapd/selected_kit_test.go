package imapd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// put stores messages in a folder, past IMAP.
func put(t testing.TB, s *mailbox.Store, user, folder string, messages ...string) {
	t.Helper()
	var items []mailbox.Item
	for i, m := range messages {
		items = append(items, item(t, s, m, time.Unix(int64(1_000_000_000+i*3600), 0)))
	}
	putItems(t, s, user, folder, items...)
}

func item(t testing.TB, s *mailbox.Store, message string, date time.Time, flags ...string) mailbox.Item {
	t.Helper()
	o, err := s.Put(context.Background(), int64(len(message)), strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	return mailbox.Item{Object: o, Date: date, Flags: flags, Create: true}
}

func putItems(t testing.TB, s *mailbox.Store, user, folder string, items ...mailbox.Item) {
	t.Helper()
	ctx := context.Background()
	u, err := s.User(ctx, user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Append(ctx, folder, items...); err != nil {
		t.Fatal(err)
	}
}

// letter is a plain message with a subject.
func letter(subject string, fields ...string) string {
	return "From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: " + subject + "\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n" +
		"Message-ID: <" + strings.ReplaceAll(subject, " ", ".") + "@example.test>\r\n" + strings.Join(fields, "") + "\r\nHello " + subject + "\r\n"
}

// folder returns a server over a store in which bob's INBOX has n letters, and
// a session that has it selected.
func folder(t testing.TB, n int) (*imapd.Server, *mailbox.Store, *client) {
	t.Helper()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	var list []string
	for i := range n {
		list = append(list, letter(fmt.Sprintf("letter %d", i+1)))
	}
	if n > 0 {
		put(t, store, "bob", "INBOX", list...)
	}
	second(t, s).Close() // it has taken up what is \Recent
	return s, store, second(t, s)
}

// second returns another session with INBOX selected.
func second(t testing.TB, s *imapd.Server) *client {
	t.Helper()
	c := login(t, s, "bob")
	c.ok("SELECT INBOX")
	return c
}

// newClient returns a client over a connection to any server.
func newClient(t testing.TB, nc net.Conn) *client {
	return &client{Conn: nc, t: t, r: bufio.NewReader(nc)}
}

var literalEnd = regexp.MustCompile(`\{(\d+)\}$`)

// whole reads a response with its literals, without the last CRLF.
func (c *client) whole() string {
	c.t.Helper()
	var b strings.Builder
	for {
		l := c.line()
		b.WriteString(l)
		m := literalEnd.FindStringSubmatch(l)
		if m == nil {
			return b.String()
		}
		n, _ := strconv.Atoi(m[1])
		lit := make([]byte, n)
		if _, err := io.ReadFull(c.r, lit); err != nil {
			c.t.Fatal(err)
		}
		b.WriteString("\r\n")
		b.Write(lit)
	}
}

// ask sends a command, and returns all responses with their literals; the
// tagged one is last, without its tag.
func (c *client) ask(command string) (out []string) {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("a%d ", c.tag)
	c.send(tag + command + "\r\n")
	for {
		r := c.whole()
		if rest, ok := strings.CutPrefix(r, tag); ok {
			return append(out, rest)
		}
		out = append(out, r)
	}
}

// is sends a command, and compares all responses; each wanted one is a prefix
// of its response up to "...".
func (c *client) is(command string, want ...string) {
	c.t.Helper()
	got := c.ask(command)
	same := len(got) == len(want)
	for i := range got {
		same = same && i < len(want) && alike(got[i], want[i])
	}
	if !same {
		c.t.Errorf("%s\n got %q\nwant %q", command, got, want)
	}
}

func alike(got, want string) bool {
	if p, ok := strings.CutSuffix(want, "..."); ok {
		return strings.HasPrefix(got, p)
	}
	return got == want
}

func itoa(n int) string { return strconv.Itoa(n) }

// folderNumber returns a number that SELECT tells of INBOX.
func (c *client) folderNumber(code string) string {
	c.t.Helper()
	got := c.ok("SELECT INBOX")
	m := regexp.MustCompile(`\[` + code + ` (\d+)\]`).FindStringSubmatch(got)
	if m == nil {
		c.t.Fatalf("no %s in %q", code, got)
	}
	return m[1]
}

func containsWord(s, word string) bool {
	return regexp.MustCompile(`\b` + word + `\b`).MatchString(s)
}
