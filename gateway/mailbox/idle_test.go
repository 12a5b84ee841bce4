package mailbox_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
)

// TestIdleViewsAreSmall: a session that waits costs little, whoever's folder it
// is.
func TestIdleViewsAreSmall(t *testing.T) {
	p := &mailboxtest.Place{Dir: t.TempDir()}
	k := p.Open(t)
	const n = 200
	views := make([]*mailbox.View, n)
	for i := range views {
		u := k.User(fmt.Sprintf("u%d@example.com", i))
		o := k.Put(mailboxtest.Message("1"))
		if _, err := u.Append(t.Context(), "INBOX", slices.Repeat([]mailbox.Item{{Object: o}}, 200)...); err != nil {
			t.Fatal(err)
		}
	}
	k.Close()
	k = p.Open(t)
	users := make([]*mailbox.User, n)
	for i := range users {
		users[i] = k.User(fmt.Sprintf("u%d@example.com", i))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i, u := range users {
		views[i] = k.Select(u, "INBOX")
		<-views[i].Changed()
		if len(k.Lines(views[i])) != 200 {
			t.Fatal("other messages")
		}
		views[i].Rest()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d octets each", each)
	if each > 6<<10 {
		t.Errorf("%d octets each", each)
	}
	runtime.KeepAlive(views)
}
