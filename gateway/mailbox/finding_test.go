package mailbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestFindSeesWhatTheFolderHas searches one user's folder of several, before
// and behind the index.
func TestFindSeesWhatTheFolderHas(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		ctx := t.Context()
		k := (&mailboxtest.Place{Dir: dir, URL: url, Deps: mailbox.Deps{Events: true}}).Open(t)
		deps := k.Store.ForSearch()
		deps.Dir, deps.URL = dir, url
		x, err := search.Open(ctx, search.Options{}, deps)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		ann, bob := k.User("ann@example.com"), k.User("bob@example.com")
		for i := range 100 {
			msg := fmt.Sprintf("Subject: number %d\r\n\r\nbody%d of a message\r\n", i, i)
			o, err := k.Store.Put(ctx, int64(len(msg)), strings.NewReader(msg))
			if err != nil {
				t.Fatal(err)
			}
			items := []mailbox.Item{{User: ann, Folder: "INBOX", Object: o}}
			if i%2 == 0 {
				items = append(items, mailbox.Item{User: bob, Folder: "INBOX", Object: o})
			}
			if _, err := k.Store.Deliver(ctx, items...); err != nil {
				t.Fatal(err)
			}
		}
		view, err := ann.Select(ctx, "INBOX", false)
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		find := func(where search.Where, text string) []uint32 {
			t.Helper()
			uids, err := view.Find(ctx, x, where, text)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Collect(uids.All())
		}
		for _, c := range []struct {
			where search.Where
			text  string
			n     int
		}{{search.Body, "BODY4", 11}, {search.Body, "body42", 1}, {search.Header, "body42", 0}, {search.Anywhere, "number 42", 1}, {search.Body, "message", 100}, {search.Body, "of", 100}, {search.Body, "", 100}} {
			if got := find(c.where, c.text); len(got) != c.n {
				t.Errorf("%q: %v", c.text, got)
			}
		}
		if got := find(search.Body, "body42"); !slices.Equal(got, []uint32{43}) {
			t.Errorf("body42: %v", got)
		}
		var some mailbox.UIDs
		some.Add(43)
		if _, err := view.Expunge(ctx, some, true); err != nil {
			t.Fatal(err)
		}
		if _, err := view.Sync(ctx, false); err != nil {
			t.Fatal(err)
		}
		if got := find(search.Body, "body42"); len(got) != 0 {
			t.Errorf("expunged, but found: %v", got)
		}
	})
}
