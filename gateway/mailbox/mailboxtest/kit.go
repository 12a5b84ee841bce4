package mailboxtest

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Place is where a store is: it may be opened again and again.
type Place struct {
	Dir string // of SQLite and of blobs
	URL string // of PostgreSQL; "": SQLite
	// Blobs opens the blob store; nil: files in Dir.
	Blobs func(ctx context.Context, t testing.TB, db *sqldb.DB) blob.Store
	// Options and Deps are what the store gets; DB and Blobs are set.
	Options mailbox.Options
	Deps    mailbox.Deps
}

// Kit is an open store.
type Kit struct {
	T     testing.TB
	Store *mailbox.Store
	DB    *sqldb.DB
	Blobs blob.Store
	// NoCheck is why Close does not check the store.
	NoCheck string
	once    bool
}

// New opens a store in a folder of the test's own, and closes it at the end.
func New(t testing.TB) *Kit { return (&Place{Dir: t.TempDir()}).Open(t) }

// Open opens the store, and closes it at the end of the test.
func (p *Place) Open(t testing.TB) *Kit {
	t.Helper()
	ctx := context.Background()
	k := &Kit{T: t}
	var err error
	if k.DB, err = sqldb.Open(ctx, sqldb.Options{Dir: p.Dir, URL: p.URL}); err != nil {
		t.Fatal(err)
	}
	if p.Blobs != nil {
		k.Blobs = p.Blobs(ctx, t, k.DB)
	} else {
		k.Blobs, err = blob.OpenFilesUse(ctx, blob.Options{Dir: filepath.Join(p.Dir, "mail")}, mailbox.LiveBlobs(ctx, k.DB))
		if err != nil {
			t.Fatal(err)
		}
	}
	deps := p.Deps
	deps.DB, deps.Blobs = k.DB, k.Blobs
	if k.Store, err = mailbox.Open(ctx, p.Options, deps); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// Check has the store checked, and fails the test where it is not well.
func (k *Kit) Check() {
	k.T.Helper()
	err := k.Store.Check(context.Background(), false, func(p mailbox.Problem) { k.T.Errorf("check: %+v", p) }, nil)
	if err != nil {
		k.T.Error(err)
	}
}

// Close checks the store and closes it. It may be called twice.
func (k *Kit) Close() {
	if k.once {
		return
	}
	k.once = true
	if _, is := k.T.(*testing.T); is && k.NoCheck == "" {
		k.Check()
	}
	for _, c := range []io.Closer{k.Store, k.Blobs, k.DB} {
		if err := c.Close(); err != nil {
			k.T.Error(err)
		}
	}
}

// User returns a user.
func (k *Kit) User(name string) *mailbox.User {
	k.T.Helper()
	u, err := k.Store.User(context.Background(), name)
	if err != nil {
		k.T.Fatal(err)
	}
	return u
}

// Message is a message of a subject.
func Message(subject string) string {
	return "From: a@example.org\r\nTo: u@example.com\r\nSubject: " + subject +
		"\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", ".") + "@example.org>\r\n\r\nText of " + subject + ".\r\n"
}

// Put makes text an object.
func (k *Kit) Put(text string) *mailbox.Object {
	k.T.Helper()
	o, err := k.Store.Put(context.Background(), int64(len(text)), strings.NewReader(text))
	if err != nil {
		k.T.Fatal(err)
	}
	return o
}

// Append stores a message in a folder.
func (k *Kit) Append(u *mailbox.User, folder, text string, flags ...string) mailbox.Place {
	k.T.Helper()
	places, err := u.Append(context.Background(), folder, mailbox.Item{Object: k.Put(text), Flags: flags})
	if err != nil {
		k.T.Fatal(err)
	}
	return places[0]
}

// Select opens a View, and closes it at the end of the test.
func (k *Kit) Select(u *mailbox.User, folder string) *mailbox.View {
	k.T.Helper()
	v, err := u.Select(context.Background(), folder, false)
	if err != nil {
		k.T.Fatal(err)
	}
	k.T.Cleanup(v.Close)
	return v
}

// Sync takes up what happened.
func (k *Kit) Sync(v *mailbox.View) *mailbox.Changes {
	k.T.Helper()
	c, err := v.Sync(context.Background(), false)
	if err != nil {
		k.T.Fatal(err)
	}
	return c
}

// Folder returns one folder.
func (k *Kit) Folder(u *mailbox.User, name string) mailbox.Folder {
	k.T.Helper()
	f, err := u.Folder(context.Background(), name)
	if err != nil {
		k.T.Fatal(err)
	}
	return f
}

// Line is a message of a View: "seq uid flags".
type Line struct {
	Seq, UID uint32
	Flags    string
	ModSeq   uint64
	Object   mailbox.ObjectID
}

// Lines lists the messages of a View.
func (k *Kit) Lines(v *mailbox.View) (list []Line) {
	k.T.Helper()
	_, err := v.Messages(context.Background(), mailbox.AllUIDs, true, func(m *mailbox.Message) error {
		names := v.Folder().Keywords.Names(m.Flags)
		slices.Sort(names)
		list = append(list, Line{m.Seq, m.UID, strings.Join(names, " "), m.ModSeq, m.Object})
		return nil
	})
	if err != nil {
		k.T.Fatal(err)
	}
	return list
}

// Text reads a message.
func (k *Kit) Text(v *mailbox.View, uid uint32) string {
	k.T.Helper()
	m, err := v.Message(context.Background(), uid)
	if err != nil {
		k.T.Fatal(err)
	}
	r, err := v.Open(context.Background(), &m)
	if err != nil {
		k.T.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		k.T.Fatal(err)
	}
	return string(b)
}
