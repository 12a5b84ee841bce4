package mailboxtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// borrowed is another's blob store.
type borrowed struct{ blob.Store }

// Close leaves it open.
func (borrowed) Close() error { return nil }

// Twin opens a second store on the database and blobs of the first, as another
// process would.
func (p *Place) Twin(t testing.TB, first *Kit) *Kit {
	twin := *p
	twin.Blobs = func(context.Context, testing.TB, *sqldb.DB) blob.Store { return borrowed{first.Blobs} }
	return twin.Open(t)
}

// RunTwo runs what concerns two processes on one database.
func RunTwo(t *testing.T, place func(t *testing.T) *Place) {
	t.Run("ViewsAgreeWithTheModel", func(t *testing.T) {
		t.Parallel()
		for seed := range uint64(2) {
			p := place(t)
			modelRun(t, p, seed, true)
		}
	})
	t.Run("OthersWakeSessions", func(t *testing.T) {
		t.Parallel()
		testWake(t, place(t))
	})
	t.Run("WhatCannotBeReadComesLater", func(t *testing.T) {
		t.Parallel()
		testFailingRead(t, place(t))
	})
}

// testFailingRead: where not all that another process has written can be read,
// sessions hear of what could, and of the rest when it can.
func testFailingRead(t *testing.T, p *Place) {
	a := p.Open(t)
	b := p.Twin(t, a)
	u, w := a.User("bob@example.com"), b.User("bob@example.com")
	folders := []string{"INBOX", "Sent", "Trash"}
	for i, unread := range folders {
		views := map[string]*mailbox.View{}
		for _, name := range folders {
			views[name] = a.Select(u, name)
			b.Select(w, name).Close()
			<-views[name].Changed()
			a.Sync(views[name])
		}
		// A block that no one can read stands before the others of one folder.
		key := `(SELECT key FROM mailbox_folders WHERE name = ?)`
		write(t, a.DB, `INSERT INTO mailbox_blocks (folder, block, uids) VALUES (`+key+`, -1, ?)`, unread, []byte{})
		b.Append(w, unread, Message(unread)) // from now on
		for _, name := range folders {
			if name != unread {
				b.Append(w, name, Message(unread))
			}
		}
		if err := u.Refresh(background); err == nil {
			t.Errorf("%s: the error is not told", unread)
		}
		for _, name := range folders[:i] {
			if n := eventually(t, a, views[name]); n != 1 {
				t.Errorf("%s while %s cannot be read: %d messages", name, unread, n)
			}
		}
		write(t, a.DB, `DELETE FROM mailbox_blocks WHERE block = -1`)
		a.Select(u, "Drafts").Close() // whoever comes next
		for _, name := range folders[i:] {
			if n := eventually(t, a, views[name]); n != 1 {
				t.Errorf("%s after %s could be read: %d messages", name, unread, n)
			}
		}
		for _, v := range views {
			v.Close()
		}
	}
}

// write changes the database behind the store's back.
func write(t *testing.T, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	want(t, db.Write(background, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	}), nil)
}

// eventually waits until a session hears of messages; it returns how many have
// come.
func eventually(t *testing.T, k *Kit, v *mailbox.View) int {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case <-v.Changed():
			if n := k.Sync(v).Appended; n > 0 {
				return n
			}
		case <-late:
			return 0
		}
	}
}

func testWake(t *testing.T, p *Place) {
	a := p.Open(t)
	b := p.Twin(t, a)
	u, w := a.User("bob@example.com"), b.User("bob@example.com")
	a.Append(u, "INBOX", Message("0"))
	v := a.Select(u, "INBOX")
	watch, err := u.Watch(background, nil)
	want(t, err, nil)
	defer watch.Close()
	until := func(what string, f func(c *mailbox.Changes) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(background, 20*time.Second)
		defer cancel()
		for {
			select {
			case <-v.Changed():
			case <-ctx.Done():
				t.Fatal(what, ctx.Err())
			}
			if f(a.Sync(v)) {
				return
			}
		}
	}
	b.Append(w, "INBOX", Message("1"))
	until("appended", func(c *mailbox.Changes) bool { return c.Appended == 1 })
	x := b.Select(w, "INBOX")
	_, err = x.Change(background, mailbox.One(1), mailbox.AddFlags, []string{"x"}, nil)
	want(t, err, nil)
	until("flags", func(c *mailbox.Changes) bool { return len(c.Flags) == 1 && c.Flags[0].UID == 1 && c.Keywords })
	_, err = x.Expunge(background, mailbox.One(1), true)
	want(t, err, nil)
	until("expunged", func(c *mailbox.Changes) bool { return len(c.Expunged) == 1 })
	if a.Text(v, 2) != Message("1") {
		t.Error("the message is another")
	}
	want(t, w.PutScript(background, "s", []byte("keep;")), nil)
	want(t, w.ActivateScript(background, "s"), nil)
	want(t, w.Rename(background, "Sent", "Gone"), nil)
	want(t, u.Refresh(background), nil)
	if s, err := u.ActiveScript(background); err != nil || s.Name != "s" {
		t.Errorf("%+v, %v", s, err)
	}
	names := ""
	for _, c := range watch.Take() {
		names += fmt.Sprint(c.Folder.Name, c.Old, ";")
	}
	if names != "INBOX;GoneSent;" {
		t.Errorf("%q", names)
	}
	want(t, b.Store.DeleteUser(background, "bob@example.com"), nil)
	if err := u.Refresh(background); err != nil { // it may have been told already
		want(t, err, mailbox.ErrNoUser)
	}
	_, err = v.Sync(background, false)
	want(t, err, mailbox.ErrGone)
}

// other picks one of the stores, with its user.
func (x *modelTest) other() (*Kit, *mailbox.User) {
	if x.twin != nil && x.r.IntN(2) == 0 {
		return x.twin, x.twinUser
	}
	return x.k, x.u
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
