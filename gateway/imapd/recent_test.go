package imapd_test

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// TestRecentIsTheFirstSessions: one session has a message as \Recent, whoever
// only examines takes nothing, and IMAP4rev2 knows nothing of it.
func TestRecentIsTheFirstSessions(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	put(t, store, "bob", "INBOX", letter("a"), letter("b"))
	a, b, looking, rev2 := login(t, s, "bob"), login(t, s, "bob"), login(t, s, "bob"), login(t, s, "bob")
	rev2.ok("ENABLE IMAP4rev2")

	a.has(a.ok("STATUS INBOX (RECENT)"), `\(RECENT 2\)`)
	looking.has(looking.ok("EXAMINE INBOX"), `^\* 2 RECENT`)
	looking.is("FETCH 1 FLAGS", `* 1 FETCH (FLAGS (\Recent))`, "OK Fetched")
	a.has(a.ok("SELECT INBOX"), `^\* 2 RECENT`)
	b.has(b.ok("SELECT INBOX"), `^\* 0 RECENT`)
	b.has(b.ok("STATUS INBOX (RECENT)"), `\(RECENT 0\)`)
	a.is(`STORE 1 +FLAGS (\Seen)`, `* 1 FETCH (FLAGS (\Recent \Seen))`, "OK Stored")
	b.is("NOOP", `* 1 FETCH (FLAGS (\Seen))`, "OK Done")

	put(t, store, "bob", "INBOX", letter("c"))
	looking.is("NOOP", "* 3 EXISTS", "* 3 RECENT", `* 1 FETCH (FLAGS (\Recent \Seen))`, "OK Done")
	b.is("NOOP", "* 3 EXISTS", "* 1 RECENT", "OK Done")
	a.is("NOOP", "* 3 EXISTS", "* 2 RECENT", "OK Done")
	for c, want := range map[*client][3]string{a: {"1 2", "2", "3"}, b: {"3", "3", "1 2"}} {
		for i, key := range []string{"RECENT", "NEW", "OLD"} {
			if got := c.searched(key); got != want[i] {
				t.Errorf("%s: %q, want %q", key, got, want[i])
			}
		}
	}
	a.ok(`STORE 2 +FLAGS.SILENT (\Deleted)`)
	a.ok("EXPUNGE")
	if got := a.searched("RECENT"); got != "1" {
		t.Errorf("RECENT after EXPUNGE: %q", got)
	}
	put(t, store, "bob", "INBOX", letter("d"))
	if got := rev2.ok("SELECT INBOX") + rev2.ok("FETCH 1:* FLAGS"); strings.Contains(strings.ToUpper(got), "RECENT") {
		t.Errorf("IMAP4rev2: %q", got)
	}
}
