package mailbox_test

import (
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestRestoredGivesNothingTwice: after a restoration new messages have UIDs and
// ids that none had between the backup and it, and QRESYNC tells of all.
func TestRestoredGivesNothingTwice(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		place := &mailboxtest.Place{Dir: dir, URL: url}
		k := place.Open(t)
		u := k.User("ana@example.org")
		for _, s := range []string{"one", "two", "three"} {
			k.Append(u, "INBOX", mailboxtest.Message(s))
		}
		v := k.Select(u, "INBOX")
		before := v.Folder()
		refs := 0
		for _, err := range mailbox.Refs(t.Context(), k.DB) {
			if err != nil {
				t.Fatal(err)
			}
			refs++
		}
		if refs != 3 {
			t.Errorf("%d refs", refs)
		}
		v.Close()
		if err := k.Store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := mailbox.Restored(t.Context(), k.DB); err != nil {
			t.Fatal(err)
		}
		k.Close()
		k = place.Open(t)
		u = k.User("ana@example.org")
		at := k.Append(u, "INBOX", mailboxtest.Message("four"))
		if at.UID < before.Next+1000 || at.Validity != before.Validity {
			t.Errorf("UID %d, validity %d after UIDNEXT %d, validity %d", at.UID, at.Validity, before.Next, before.Validity)
		}
		v = k.Select(u, "INBOX")
		changed, err := v.ChangedSince(t.Context(), before.ModSeq+1000, mailbox.AllUIDs)
		if err != nil || changed.Len() != 4 {
			t.Errorf("changed: %v, %v", changed, err)
		}
		gone, err := v.VanishedSince(t.Context(), before.ModSeq+1000, mailbox.UIDs{{First: 1, Last: before.Next + 10}})
		if err != nil || gone.Contains(1) || !gone.Contains(before.Next) {
			t.Errorf("vanished: %v, %v", gone, err)
		}
	})
}
