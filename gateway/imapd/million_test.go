package imapd_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// TestMillion tells how long commands take in a folder of GAPURA_MILLION
// messages; without it, in one of a few thousand, that they are right.
func TestMillion(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("GAPURA_MILLION"))
	if n == 0 {
		n = 3000
	}
	store := openStore(t, mailbox.Options{})
	fillFolder(t, store, n)
	c := login(t, newServer(t, imapd.Options{}, store), "bob")
	timed := func(command string) []string {
		t.Helper()
		begin := time.Now()
		got := c.ask(command)
		t.Logf("%8.2f ms  %s", float64(time.Since(begin).Microseconds())/1000, command)
		if !strings.HasPrefix(got[len(got)-1], "OK") {
			t.Fatalf("%s: %q", command, got)
		}
		return got
	}
	for _, cmd := range []string{
		"SELECT INBOX", "SELECT INBOX", "STATUS INBOX (MESSAGES UNSEEN SIZE)", "UID FETCH 1 FLAGS", fmt.Sprintf("FETCH %d:%d (UID FLAGS ENVELOPE)", n/2, n/2+99), fmt.Sprintf("FETCH %d:%d (UID FLAGS ENVELOPE)", n/2, n/2+99),
		"UID FETCH 1:* FLAGS", "UID SEARCH RETURN (COUNT) UNSEEN", "UID SEARCH RETURN (COUNT) UNSEEN", "UID SEARCH RETURN (COUNT) ALL", "UID SEARCH RETURN (COUNT) SUBJECT 77",
		"UID SORT RETURN (PARTIAL 1:100) (REVERSE ARRIVAL) UTF-8 ALL", "UID SORT RETURN (PARTIAL 1:100) (REVERSE DATE) UTF-8 UNDELETED", "UID SORT RETURN (PARTIAL 1:100) (REVERSE DATE) UTF-8 UNDELETED", "UID SORT RETURN (PARTIAL 1:100) (SUBJECT) UTF-8 ALL",
		"STORE 1:100 +FLAGS.SILENT (\\Seen)",
	} {
		timed(cmd)
	}
	got := timed("UID SORT RETURN (PARTIAL 1:100 COUNT) (REVERSE DATE) UTF-8 ALL")
	if !strings.Contains(got[0], fmt.Sprintf("COUNT %d PARTIAL (1:100 ", n)) {
		t.Errorf("%q", got[0])
	}
	timed("UID SORT RETURN (PARTIAL 1:100 COUNT) (REVERSE DATE) UTF-8 ALL")
}

// fillFolder puts n messages into INBOX: a thousand different ones, as often
// as it takes.
func fillFolder(t *testing.T, store *mailbox.Store, n int) {
	t.Helper()
	ctx := context.Background()
	u, err := store.User(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	var items []mailbox.Item
	for i := range min(n, 1000) {
		date := time.Unix(1_600_000_000+int64(i*7919%1000)*3600, 0).UTC().Format(time.RFC1123Z)
		m := strings.Replace(letter(fmt.Sprintf("letter %d", i)), "Mon, 1 Jan 2024 10:00:00 +0100", date, 1)
		items = append(items, item(t, store, m, time.Unix(int64(1_000_000_000+i), 0)))
	}
	for left := n; left > 0; left -= len(items) {
		items = items[:min(left, len(items))]
		if _, err := u.Append(ctx, "INBOX", items...); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d messages in %s", n, time.Since(begin).Round(time.Millisecond))
}
