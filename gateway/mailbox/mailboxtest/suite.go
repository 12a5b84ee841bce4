package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// Run runs the suite; each test gets a place of its own, which begins empty.
func Run(t *testing.T, place func(t *testing.T) *Place) {
	for _, x := range suite {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.run(t, place(t))
		})
	}
}

var suite = []struct {
	name string
	run  func(t *testing.T, p *Place)
}{
	{"DefaultFolders", testDefaultFolders},
	{"WhatIsAppendedIsRead", testAppend},
	{"ViewsStayUntilSync", testViews},
	{"ExpungeTakesSpaceBack", testExpunge},
	{"CopyAndMove", testCopy},
	{"DeliveryIsIdempotent", testIdempotent},
	{"Quota", testQuota},
	{"FoldersComeAndGo", testFolders},
	{"RenamedInboxKeepsItself", testRenameInbox},
	{"Events", testEvents},
	{"Scripts", testScripts},
	{"Annotations", testAnnotations},
	{"Once", testOnce},
	{"DeletedFoldersArePurged", testPurge},
	{"WhatExpiresGoes", testKeep},
	{"SpaceIsReclaimed", testCompact},
	{"Watch", testWatch},
	{"JunkTeaches", testLearner},
	{"ViewsAgreeWithTheModel", testModel},
	{"CheckFindsAndMends", testCheck},
}

var background = context.Background()

// want fails the test unless err is, or wraps, what was expected.
func want(t *testing.T, err, expected error) {
	t.Helper()
	if !errors.Is(err, expected) {
		t.Fatalf("error %v, not %v", err, expected)
	}
}

func testDefaultFolders(t *testing.T, p *Place) {
	k := p.Open(t)
	list, err := k.User("Bob@Example.com").Folders(background)
	want(t, err, nil)
	var got []string
	validities := map[uint32]bool{}
	for _, f := range list {
		got = append(got, fmt.Sprint(f.Name, f.Role.Attribute(), f.Subscribed, f.Next, f.ModSeq, f.Messages))
		validities[f.Validity] = true
	}
	expected := []string{
		"INBOXtrue 1 1 0", `Archive\Archivetrue 1 1 0`, `Drafts\Draftstrue 1 1 0`, `Junk\Junktrue 1 1 0`, `Sent\Senttrue 1 1 0`, `Trash\Trashtrue 1 1 0`,
	}
	if !slices.Equal(got, expected) {
		t.Errorf("%q", got)
	}
	if len(validities) != len(list) || validities[0] {
		t.Errorf("UIDVALIDITY: %v", validities)
	}
	if _, err := k.Store.Find(background, "carol@example.com"); !errors.Is(err, mailbox.ErrNoUser) {
		t.Error(err)
	}
}

func testAppend(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 3 {
		if place := k.Append(u, "inbox", Message(fmt.Sprint(i)), `\Seen`, "$Work"); place.UID != uint32(i+1) {
			t.Errorf("%+v", place)
		}
	}
	check := func(k *Kit) {
		t.Helper()
		u := k.User("bob@example.com")
		v := k.Select(u, "INBOX")
		if v.Len() != 3 || v.Folder().Unseen != 0 || v.UID(2) != 2 || v.Seq(3) != 3 || v.Seq(4) != 0 || v.UID(4) != 0 {
			t.Errorf("%+v", v.Folder())
		}
		for i, l := range k.Lines(v) {
			if l.UID != uint32(i+1) || l.Seq != l.UID || l.Flags != `$Work \Seen` || l.ModSeq != uint64(i+2) {
				t.Errorf("%+v", l)
			}
			if k.Text(v, l.UID) != Message(fmt.Sprint(i)) {
				t.Errorf("message %d is another", i)
			}
		}
		use, err := u.Usage(background)
		if err != nil || use.Messages != 3 || use.Octets != int64(3*len(Message("0"))) {
			t.Errorf("%+v, %v", use, err)
		}
	}
	check(k)
	k.Close()
	check(p.Open(t))
}

func testViews(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 5 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i)))
	}
	a, b := k.Select(u, "INBOX"), k.Select(u, "INBOX")
	k.Append(u, "INBOX", Message("5"))
	if a.Len() != 5 {
		t.Errorf("%d messages before Sync", a.Len())
	}
	got, err := a.Change(background, mailbox.UIDs{{First: 2, Last: 3}}, mailbox.AddFlags, []string{`\deleted`, "x"}, nil)
	want(t, err, nil)
	if len(got.Done) != 2 || got.Done[0].Seq != 2 || got.Done[0].ModSeq != 8 || len(got.Keywords) != 1 {
		t.Errorf("%+v", got)
	}
	gone, err := a.Expunge(background, mailbox.AllUIDs, false)
	want(t, err, nil)
	if len(gone) != 1 || gone[0] != (mailbox.Range{First: 2, Last: 3}) {
		t.Errorf("%v", gone)
	}
	_, err = a.Change(background, mailbox.One(5), mailbox.SetFlags, []string{`\Seen`}, nil)
	want(t, err, nil)
	c, err := b.Sync(background, true)
	want(t, err, nil)
	if c.Exists != 6 || c.Appended != 1 || len(c.Vanished) != 0 || len(c.Flags) != 1 || c.Flags[0].UID != 5 || c.Flags[0].Seq != 5 || !c.Keywords {
		t.Errorf("%+v", c)
	}
	c = k.Sync(b)
	if c.Exists != 4 || c.Appended != 0 || !slices.Equal(c.Expunged, []uint32{3, 2}) || len(c.Flags) != 0 {
		t.Errorf("%+v", c)
	}
	c = k.Sync(a)
	if c.Exists != 4 || c.Appended != 1 || !slices.Equal(c.Expunged, []uint32{3, 2}) || len(c.Flags) != 0 {
		t.Errorf("%+v", c)
	}
	if c := k.Sync(a); c.Any() {
		t.Errorf("%+v", c)
	}
	vanished, err := a.VanishedSince(background, 7, mailbox.AllUIDs)
	if err != nil || !slices.Equal(vanished, gone) {
		t.Errorf("%v, %v", vanished, err)
	}
	changed, err := a.ChangedSince(background, 7, mailbox.AllUIDs)
	if err != nil || !slices.Equal(changed, mailbox.One(5)) {
		t.Errorf("%v, %v", changed, err)
	}
	if f := k.Folder(u, "INBOX"); f.Messages != 4 || f.Unseen != 3 || f.Next != 7 || f.ModSeq != 10 || f.Deleted != 0 || f.DeletedSize != 0 {
		t.Errorf("%+v", f)
	}
}

func testExpunge(t *testing.T, p *Place) {
	k := p.Open(t)
	u, other := k.User("bob@example.com"), k.User("carol@example.com")
	o := k.Put(Message("shared"))
	_, err := k.Store.Deliver(background, mailbox.Item{User: u, Folder: "INBOX", Object: o}, mailbox.Item{User: other, Folder: "INBOX", Object: o})
	want(t, err, nil)
	o.Discard()
	v, w := k.Select(u, "INBOX"), k.Select(other, "INBOX")
	if k.Lines(v)[0].Object != k.Lines(w)[0].Object {
		t.Error("one message, two objects")
	}
	live := k.Blobs.Usage().Live
	_, err = v.Expunge(background, mailbox.AllUIDs, true)
	want(t, err, nil)
	if n := k.Blobs.Usage().Live; n != live {
		t.Errorf("%d of %d octets live", n, live)
	}
	if k.Text(w, 1) != Message("shared") {
		t.Error("the other's message is another")
	}
	_, err = w.Expunge(background, mailbox.AllUIDs, true)
	want(t, err, nil)
	if n := k.Blobs.Usage().Live; n != 0 {
		t.Errorf("%d octets live", n)
	}
	if _, err := w.Message(background, 1); !errors.Is(err, mailbox.ErrExpunged) {
		t.Error(err)
	}
	k.Append(other, "INBOX", Message("again"))
	k.Put(Message("never")).Discard()
	k.Close()
	k = p.Open(t)
	if f := k.Folder(k.User("carol@example.com"), "INBOX"); f.Next != 3 || f.Messages != 1 || f.Size != int64(len(Message("again"))) {
		t.Errorf("%+v", f)
	}
}

func testCopy(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 4 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i)), "tag", fmt.Sprint("k", i))
	}
	v := k.Select(u, "INBOX")
	_, err := v.Copy(background, mailbox.AllUIDs, "Nowhere")
	want(t, err, mailbox.ErrNoFolder)
	c, err := v.Copy(background, mailbox.UIDs{{First: 2, Last: 3}}, "Archive")
	if err != nil || !slices.Equal(c.From, []uint32{2, 3}) || !slices.Equal(c.To, []uint32{1, 2}) || c.Validity != k.Folder(u, "Archive").Validity {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = v.Move(background, mailbox.One(3), "Archive")
	if err != nil || !slices.Equal(c.To, []uint32{3}) {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = v.Copy(background, mailbox.One(1), "INBOX")
	if err != nil || !slices.Equal(c.To, []uint32{5}) {
		t.Errorf("%+v, %v", c, err)
	}
	if c := k.Sync(v); c.Exists != 4 || c.Appended != 1 || !slices.Equal(c.Expunged, []uint32{3}) {
		t.Errorf("%+v", c)
	}
	var objects []mailbox.ObjectID
	for _, l := range k.Lines(v) {
		objects = append(objects, l.Object)
	}
	if objects[0] != objects[3] || objects[0] == objects[1] {
		t.Errorf("%v", objects)
	}
	a := k.Select(u, "Archive")
	lines := k.Lines(a)
	if len(lines) != 3 || lines[0].Flags != "k1 tag" || lines[1].Flags != "k2 tag" || lines[2].Flags != "k2 tag" || k.Text(a, 3) != Message("2") {
		t.Errorf("%+v", lines)
	}
	use, _ := u.Usage(background)
	if use.Messages != 7 {
		t.Errorf("%+v", use)
	}
}

func testIdempotent(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	send := func(k *Kit, folder string) mailbox.Place {
		t.Helper()
		o := k.Put(Message("once"))
		defer o.Discard()
		places, err := k.Store.Deliver(background, mailbox.Item{User: u, Folder: folder, Object: o, Key: "id bob"})
		want(t, err, nil)
		return places[0]
	}
	if p := send(k, "INBOX"); p.Known || p.UID != 1 {
		t.Errorf("%+v", p)
	}
	if p := send(k, "INBOX"); !p.Known || p.UID != 0 {
		t.Errorf("%+v", p)
	}
	if p := send(k, "Junk"); p.Known {
		t.Errorf("%+v", p)
	}
	k.Close()
	k = p.Open(t)
	u = k.User("bob@example.com")
	if p := send(k, "INBOX"); !p.Known {
		t.Errorf("%+v", p)
	}
	if f := k.Folder(u, "INBOX"); f.Messages != 1 {
		t.Errorf("%+v", f)
	}
}

func testQuota(t *testing.T, p *Place) {
	size := int64(len(Message("0")))
	p.Options.User = mailbox.Limits{Messages: 3}
	p.Options.Domain = mailbox.Limits{Octets: 5 * size}
	p.Options.Only = map[string]mailbox.Limits{"carol@example.com": {Messages: -1}}
	k := p.Open(t)
	bob, carol := k.User("bob@example.com"), k.User("carol@example.com")
	for i := range 3 {
		k.Append(bob, "INBOX", Message(fmt.Sprint(i)))
	}
	o := k.Put(Message("3"))
	_, err := bob.Append(background, "INBOX", mailbox.Item{Object: o})
	want(t, err, mailbox.ErrQuota)
	want(t, k.Store.Room(background, "bob@example.com", 0), mailbox.ErrQuota)
	want(t, k.Store.Room(background, "carol@example.com", 2*size), nil)
	want(t, k.Store.Room(background, "carol@example.com", 2*size+1), mailbox.ErrQuota)
	want(t, k.Store.Room(background, "dave@example.net", 2*size+1), nil)
	_, err = bob.Append(background, "INBOX", mailbox.Item{Object: o, Over: true})
	want(t, err, nil)
	k.Append(carol, "INBOX", Message("4"))
	o = k.Put(Message("5"))
	_, err = k.Store.Deliver(background, mailbox.Item{User: carol, Folder: "INBOX", Object: o})
	want(t, err, mailbox.ErrQuota)
	v := k.Select(bob, "INBOX")
	_, err = v.Copy(background, mailbox.AllUIDs, "Archive")
	want(t, err, mailbox.ErrQuota)
	_, err = v.Move(background, mailbox.AllUIDs, "Archive")
	want(t, err, nil)
	want(t, bob.Delete(background, "Archive"), nil)
	use, err := bob.Usage(background)
	if err != nil || use.Messages != 0 || use.Octets != 0 || use.Limits.Messages != 3 || use.Domain.Messages != 1 {
		t.Errorf("%+v, %v", use, err)
	}
	_, err = k.Store.Deliver(background, mailbox.Item{User: carol, Folder: "INBOX", Object: o})
	want(t, err, nil)
}

func testFolders(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	_, err := u.Create(background, "a/b/c/", mailbox.RoleNone)
	want(t, err, nil)
	_, err = u.Create(background, "a/b", mailbox.RoleNone)
	want(t, err, mailbox.ErrExists)
	_, err = u.Create(background, "bin", mailbox.RoleTrash)
	want(t, err, mailbox.ErrRole)
	_, err = u.Create(background, "a//b", mailbox.RoleNone)
	want(t, err, mailbox.ErrName)
	before := k.Folder(u, "a/b/c")
	k.Append(u, "a/b/c", Message("1"))
	v := k.Select(u, "a/b/c")
	want(t, u.Rename(background, "a", "a/x"), mailbox.ErrName)
	want(t, u.Rename(background, "a", "Sent"), mailbox.ErrExists)
	want(t, u.Rename(background, "a/b", "x/y"), nil)
	k.Sync(v)
	if f := v.Folder(); f.Name != "x/y/c" || f.ID != before.ID || f.Validity != before.Validity {
		t.Errorf("%+v", f)
	}
	if _, err := u.Folder(background, "a/b/c"); !errors.Is(err, mailbox.ErrNoFolder) {
		t.Error(err)
	}
	want(t, u.Delete(background, "inbox"), mailbox.ErrInbox)
	want(t, u.Delete(background, "x/y/c"), nil)
	_, err = v.Sync(background, false)
	want(t, err, mailbox.ErrGone)
	_, err = v.Change(background, mailbox.AllUIDs, mailbox.AddFlags, []string{`\Seen`}, nil)
	want(t, err, mailbox.ErrGone)
	_, err = u.Create(background, "x/y/c", mailbox.RoleNone)
	want(t, err, nil)
	if f := k.Folder(u, "x/y/c"); f.ID == before.ID || f.Validity == before.Validity || f.Messages != 0 {
		t.Errorf("%+v", f)
	}
	want(t, u.Subscribe(background, "none/such", true), nil)
	want(t, u.Subscribe(background, "a", true), nil)
	want(t, u.Subscribe(background, "Sent", false), nil)
	k.Close()
	k = p.Open(t)
	u = k.User("bob@example.com")
	names, err := u.Subscriptions(background)
	if err != nil || !slices.Equal(names, []string{"INBOX", "Archive", "Drafts", "Junk", "Trash", "a", "none/such"}) {
		t.Errorf("%q, %v", names, err)
	}
	if f, err := u.WithRole(background, mailbox.RoleSent); err != nil || f.Subscribed {
		t.Errorf("%+v, %v", f, err)
	}
	want(t, u.SetRole(background, "Sent", mailbox.RoleNone), nil)
	want(t, u.SetRole(background, "x", mailbox.RoleSent), nil)
	if f := k.Folder(u, "x"); f.Role != mailbox.RoleSent {
		t.Errorf("%+v", f)
	}
}

func testRenameInbox(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 3 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i)), "old")
	}
	before := k.Folder(u, "INBOX")
	v := k.Select(u, "INBOX")
	want(t, u.Rename(background, "INBOX", "old/mail"), nil)
	if c := k.Sync(v); c.Exists != 0 || len(c.Expunged) != 3 {
		t.Errorf("%+v", c)
	}
	if vanished, err := v.VanishedSince(background, before.ModSeq, mailbox.AllUIDs); err != nil || !slices.Equal(vanished, mailbox.UIDs{{First: 1, Last: 3}}) {
		t.Errorf("%v, %v", vanished, err)
	}
	place := k.Append(u, "INBOX", Message("new"))
	if c := k.Sync(v); c.Appended != 1 || place.UID != 4 || place.Validity != before.Validity {
		t.Errorf("%+v %+v", c, place)
	}
	check := func(k *Kit) {
		t.Helper()
		u := k.User("bob@example.com")
		w := k.Select(u, "old/mail")
		if f := w.Folder(); f.Messages != 3 || f.Next != 4 || f.ID == before.ID || f.Validity == before.Validity || f.Unseen != 3 {
			t.Errorf("%+v", f)
		}
		if lines := k.Lines(w); len(lines) != 3 || lines[2].Flags != "old" || k.Text(w, 2) != Message("1") {
			t.Errorf("%+v", lines)
		}
		if f := k.Folder(u, "INBOX"); f.Messages != 1 || f.ID != before.ID {
			t.Errorf("%+v", f)
		}
	}
	check(k)
	k.Close()
	check(p.Open(t))
}

func testEvents(t *testing.T, p *Place) {
	p.Deps.Events = true
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 3 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i)))
	}
	v := k.Select(u, "INBOX")
	_, err := v.Expunge(background, mailbox.One(2), true)
	want(t, err, nil)
	list, err := k.Store.Events(background, 0, 10)
	if err != nil || len(list) != 4 || !list[3].Removed || list[3].Object != list[1].Object || list[3].Seq != 4 {
		t.Errorf("%+v, %v", list, err)
	}
	want(t, k.Store.ForgetEvents(background, 3), nil)
	if list, err = k.Store.Events(background, 0, 10); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if n, err := k.Store.LastEvent(background); n != 4 || err != nil {
		t.Error(n, err)
	}
	ids, err := k.Store.Objects(background, 0, 10)
	if err != nil || len(ids) != 2 {
		t.Errorf("%v, %v", ids, err)
	}
	v = k.Select(u, "INBOX")
	for range 2 { // from disk, from memory
		uids, err := v.WithObjects(background, map[mailbox.ObjectID]struct{}{ids[0]: {}, ids[1]: {}, list[0].Object: {}})
		if err != nil || !slices.Equal(uids, mailbox.UIDs{{First: 1, Last: 1}, {First: 3, Last: 3}}) {
			t.Errorf("%v, %v", uids, err)
		}
		k.Lines(v)
	}
}
