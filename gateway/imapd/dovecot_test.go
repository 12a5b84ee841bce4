package imapd_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/test/peers"
)

// startDovecot returns a session with an imap process of Dovecot's, logged in
// to an empty maildir.
func startDovecot(t *testing.T) *client {
	t.Helper()
	nc := peers.Dovecot(t, "imap", nil)
	c := &client{Conn: nc, t: t, r: bufio.NewReaderSize(nc, 1<<20)}
	c.expect("* PREAUTH")
	return c
}

// generated are messages of threads with all that goes wrong in them: answers
// to what is missing, loops, identifiers that are there twice or not at all.
func generated(rnd *rand.Rand, n int) (list []string) {
	bases := []string{"apples", "pears", "", "plans for [x] tuesday"}
	heads := []string{"", "", "", "Re: ", "re: ", "Fwd: ", "Re: Re: ", "[list] ", "Re: [list] "}
	for i := range n {
		var b strings.Builder
		id := func() string { return fmt.Sprintf("<m%d@example.test>", rnd.IntN(n+n/4)) }
		fmt.Fprintf(&b, "From: %s <u%d@example.test>\r\n", []string{"Ann", "Bob", "Zoë"}[rnd.IntN(3)], rnd.IntN(9))
		if rnd.IntN(10) > 0 {
			fmt.Fprintf(&b, "Date: Mon, %d Jan 2024 10:%02d:00 +0%d00\r\n", 1+rnd.IntN(9), rnd.IntN(3), rnd.IntN(4))
		}
		if s := heads[rnd.IntN(len(heads))] + bases[rnd.IntN(len(bases))]; s != "" {
			fmt.Fprintf(&b, "Subject: %s\r\n", s)
		}
		switch rnd.IntN(20) {
		case 0:
		case 1:
			fmt.Fprintf(&b, "Message-ID: %s\r\n", id())
		default:
			fmt.Fprintf(&b, "Message-ID: <m%d@example.test>\r\n", i)
		}
		switch rnd.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "In-Reply-To: %s\r\n", id())
		case 1:
			b.WriteString("References:")
			for range 1 + rnd.IntN(3) {
				b.WriteString(" " + id())
			}
			b.WriteString("\r\n")
		}
		b.WriteString("\r\ntext\r\n")
		list = append(list, b.String())
	}
	return list
}

// both puts messages into both servers and compares what they answer.
func both(t *testing.T, messages []string, commands ...string) (differ int) {
	d := startDovecot(t)
	store := openStore(t, mailbox.Options{})
	g := login(t, newServer(t, imapd.Options{}, store), "bob")
	for i, m := range messages {
		text := fmt.Sprintf("APPEND INBOX \"%02d-Feb-2024 10:00:%02d +0000\" {%d+}\r\n%s", 1+i*7%28, i%60, len(m), m)
		d.ok(text)
		g.ok(text)
	}
	d.ok("SELECT INBOX")
	g.ok("SELECT INBOX")
	for _, command := range commands {
		want, got := d.ask(command), g.ask(command)
		if !slices.Equal(want[:len(want)-1], got[:len(got)-1]) {
			differ++
			t.Errorf("%s:\n got %q\nwant %q", command, got, want)
		}
	}
	return differ
}

var sortCommands = []string{
	"SORT (SUBJECT) UTF-8 ALL", "SORT (DATE) UTF-8 ALL", "SORT (REVERSE DATE) UTF-8 ALL", "SORT (FROM) UTF-8 ALL", "SORT (TO) UTF-8 ALL", "SORT (CC) UTF-8 ALL",
	"SORT (SIZE) UTF-8 ALL", "SORT (ARRIVAL) UTF-8 ALL", "SORT (REVERSE SUBJECT FROM REVERSE DATE) UTF-8 ALL", "SORT (DISPLAYFROM) UTF-8 ALL", "SORT (DISPLAYTO) UTF-8 ALL",
}

var threadCommands = []string{"THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL"}

// TestGeneratedThreadsAsDovecot compares threads and orders with Dovecot's.
func TestGeneratedThreadsAsDovecot(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			both(t, generated(rand.New(rand.NewPCG(seed, 1)), 6+int(seed%6)*6), append(threadCommands, sortCommands...)...)
		})
	}
}

// otherwise are messages whose Date Dovecot takes for none, and we do not:
// before 1970, in the year 3609, with comments, with a zone that is none; and
// those with a Subject in UTF-7, which it decodes.
var otherwise = []string{
	"mikel-mail/rfc2822/example04.eml", "mikel-mail/rfc2822/example10.eml", "mikel-mail/rfc2822/example13.eml",
	"mail-parser/legacy/001.eml", "mail-parser/legacy/005.eml",
	"mikel-mail/error_emails/trademark_character_in_subject.eml", "mikel-mail/plain_emails/raw_email_bad_time.eml",
}

// TestCorporaAsDovecot does so with messages that others collected.
func TestCorporaAsDovecot(t *testing.T) {
	t.Parallel()
	dir := peers.Suite(t, "conformance/mime-corpora")
	var list []string
	fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".md") {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || len(b) == 0 || len(b) > 1<<20 {
			return err
		}
		if slices.Contains(otherwise, path) {
			return nil
		}
		text := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
		if strings.Contains(text, "\x00") || !strings.Contains(text, ": ") {
			return nil
		}
		list = append(list, text)
		return nil
	})
	// Addresses that are malformed both read as well as they can.
	both(t, list, append(threadCommands, "SORT (SUBJECT) UTF-8 ALL", "SORT (REVERSE DATE) UTF-8 ALL", "SORT (CC) UTF-8 ALL", "SORT (SIZE) UTF-8 ALL", "SORT (REVERSE ARRIVAL) UTF-8 ALL")...)
}
