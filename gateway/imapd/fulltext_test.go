package imapd_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
)

// TestSearchByTheIndex compares searches that the index answers with those
// that read all messages.
func TestSearchByTheIndex(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	deps := store.ForSearch()
	deps.Dir = t.TempDir()
	x, err := search.Open(t.Context(), search.Options{}, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	var items []mailbox.Item
	for i := range 200 {
		flags := []string{}
		if i%3 == 0 {
			flags = append(flags, `\Seen`)
		}
		items = append(items, item(t, store, letter(fmt.Sprintf("letter %d of spring", i)), time.Unix(1_000_000_000, 0), flags...))
	}
	putItems(t, store, "bob", "INBOX", items...)
	putItems(t, store, "carl", "INBOX", items[0], item(t, store, letter("letter 77 of spring"), time.Unix(1_000_000_000, 0)))
	var sessions []*client
	for _, found := range []*search.Index{nil, x} {
		s, err := imapd.New(imapd.Options{Listener: "imap", Hostname: "mx.example.test", PlaintextFrom: everywhere}, imapd.Deps{Accounts: accounts{}, Store: store, Search: found})
		if err != nil {
			t.Fatal(err)
		}
		c := login(t, s, "bob")
		c.ok("SELECT INBOX")
		sessions = append(sessions, c)
	}
	for _, key := range []string{
		"TEXT spring", "BODY 77", `BODY "letter  77"`, "TEXT nowhere", "BODY l", "NOT BODY 7", "SEEN BODY 1", "OR BODY 77 UNSEEN BODY 78", "NOT (SEEN TEXT 9)", "1:100 BODY 33", "3 BODY 2", "TEXT ann", "BODY ann", `TEXT ""`, "OR TEXT 5 BODY 6 SMALLER 100000",
	} {
		slow, fast := sessions[0].searched(key), sessions[1].searched(key)
		if slow != fast {
			t.Errorf("%s: %q, by the index %q", key, slow, fast)
		}
	}
}
