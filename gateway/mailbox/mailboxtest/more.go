package mailboxtest

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

func testScripts(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	_, err := u.ActiveScript(background)
	want(t, err, mailbox.ErrNoScript)
	want(t, u.PutScript(background, "a", []byte("keep;")), nil)
	want(t, u.PutScript(background, "b", nil), nil)
	want(t, u.PutScript(background, "bad\n", nil), mailbox.ErrName)
	want(t, u.PutScript(background, "big", make([]byte, mailbox.MaxScript+1)), mailbox.ErrTooBig)
	want(t, u.ActivateScript(background, "c"), mailbox.ErrNoScript)
	want(t, u.ActivateScript(background, "a"), nil)
	first, err := u.ActiveScript(background)
	if err != nil || first.Name != "a" || string(first.Data) != "keep;" || !first.Active || first.Size != 5 {
		t.Errorf("%+v, %v", first, err)
	}
	want(t, u.PutScript(background, "a", []byte("stop;")), nil)
	if x, err := u.ActiveScript(background); err != nil || string(x.Data) != "stop;" || x.Version == first.Version {
		t.Errorf("%+v, %v", x, err)
	}
	want(t, u.DeleteScript(background, "a"), mailbox.ErrActive)
	want(t, u.RenameScript(background, "a", "b"), mailbox.ErrExists)
	want(t, u.RenameScript(background, "a", "z"), nil)
	list, err := u.Scripts(background)
	if err != nil || len(list) != 2 || list[1].Name != "z" || !list[1].Active || list[0].Active || list[0].Size != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	want(t, u.ActivateScript(background, ""), nil)
	_, err = u.ActiveScript(background)
	want(t, err, mailbox.ErrNoScript)
	want(t, u.DeleteScript(background, "z"), nil)
	for i := range mailbox.MaxScripts - 1 {
		want(t, u.PutScript(background, fmt.Sprint(i), []byte{}), nil)
	}
	want(t, u.PutScript(background, "more", []byte{}), mailbox.ErrLimit)
	want(t, u.RoomForScript(background, "more", 1), mailbox.ErrLimit)
	want(t, u.RoomForScript(background, "b", 1), nil)
}

func testAnnotations(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	want(t, u.Annotate(background, "Sent", mailbox.Annotation{Name: "/private/Comment", Value: []byte("x\x00")}, mailbox.Annotation{Name: "/shared/a", Value: []byte{}}), nil)
	want(t, u.Annotate(background, "", mailbox.Annotation{Name: "/private/b", Value: []byte("y")}), nil)
	want(t, u.Annotate(background, "None", mailbox.Annotation{Name: "/private/b", Value: []byte("y")}), mailbox.ErrNoFolder)
	want(t, u.Annotate(background, "", mailbox.Annotation{Name: "/private/b", Value: make([]byte, mailbox.MaxAnnotation+1)}), mailbox.ErrTooBig)
	want(t, u.Annotate(background, "Sent", mailbox.Annotation{Name: "/shared/a"}), nil)
	_, err := u.Annotations(background, "sent")
	want(t, err, mailbox.ErrNoFolder)
	list, err := u.Annotations(background, "Sent")
	if err != nil || len(list) != 1 || list[0].Name != "/private/comment" || string(list[0].Value) != "x\x00" {
		t.Errorf("%+v, %v", list, err)
	}
	want(t, u.Delete(background, "Sent"), nil)
	if list, err = u.Annotations(background, ""); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func testOnce(t *testing.T, p *Place) {
	k := p.Open(t)
	u, other := k.User("bob@example.com"), k.User("carol@example.com")
	once := func(u *mailbox.User, key string, until time.Duration, extend, expected bool) {
		t.Helper()
		if first, err := u.Once(background, key, time.Now().Add(until), extend); err != nil || first != expected {
			t.Errorf("%s: %t, %v", key, first, err)
		}
	}
	once(u, "a", time.Hour, false, true)
	once(u, "a", time.Hour, false, false)
	once(other, "a", time.Hour, false, true)
	once(u, "b", -time.Hour, false, true)
	once(u, "b", time.Hour, false, true)
	once(u, "b", -time.Hour, true, false)
	once(u, "b", time.Hour, false, true)
	want(t, k.Store.Tidy(background), nil)
	once(u, "a", time.Hour, false, false)
}

func testPurge(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	_, err := u.Create(background, "x", mailbox.RoleNone)
	want(t, err, nil)
	for i := range 5 {
		k.Append(u, "x", Message(fmt.Sprint(i)))
	}
	v := k.Select(u, "x")
	_, err = v.Copy(background, mailbox.One(3), "INBOX")
	want(t, err, nil)
	want(t, u.Delete(background, "x"), nil)
	want(t, k.Store.Tidy(background), nil)
	if ids, err := k.Store.Objects(background, 0, 10); err != nil || len(ids) != 1 {
		t.Errorf("%v, %v", ids, err)
	}
	in := k.Select(u, "INBOX")
	if k.Text(in, 1) != Message("2") {
		t.Error("the copy is another")
	}
	want(t, k.Store.DeleteUser(background, "bob@example.com"), nil)
	_, err = in.Sync(background, false)
	want(t, err, mailbox.ErrGone)
	_, err = u.Folders(background)
	want(t, err, mailbox.ErrNoUser)
	want(t, k.Store.Tidy(background), nil)
	if n := k.Blobs.Usage().Live; n != 0 {
		t.Errorf("%d octets live", n)
	}
	u = k.User("bob@example.com")
	if f := k.Folder(u, "INBOX"); f.Messages != 0 || f.Validity == in.Folder().Validity || f.ID == in.Folder().ID {
		t.Errorf("%+v", f)
	}
	for name, err := range k.Store.Users(background) {
		if name != "bob@example.com" || err != nil {
			t.Error(name, err)
		}
	}
}

func testKeep(t *testing.T, p *Place) {
	p.Options.Keep = map[string]time.Duration{"junk": time.Hour, "Lists": 2 * time.Hour}
	p.Options.Remember = time.Hour
	k := p.Open(t)
	u := k.User("bob@example.com")
	_, err := u.Create(background, "Lists", mailbox.RoleNone)
	want(t, err, nil)
	for i := range 3 {
		for _, folder := range []string{"Junk", "Lists", "INBOX"} {
			k.Append(u, folder, Message(fmt.Sprint(folder, i)))
		}
	}
	past := func(seconds int64) {
		t.Helper()
		want(t, k.DB.Write(background, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE mailbox_messages SET saved = saved - ? WHERE uid < 3", seconds)
			return err
		}), nil)
	}
	past(5000)
	want(t, k.Store.Tidy(background), nil)
	if a, b, c := k.Folder(u, "Junk"), k.Folder(u, "Lists"), k.Folder(u, "INBOX"); a.Messages != 1 || b.Messages != 3 || c.Messages != 3 {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
	past(5000)
	want(t, k.DB.Write(background, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE mailbox_expunged SET day = day - 3")
		return err
	}), nil)
	want(t, k.Store.Tidy(background), nil)
	if b := k.Folder(u, "Lists"); b.Messages != 1 {
		t.Errorf("%+v", b)
	}
	v := k.Select(u, "Junk") // expunged and forgotten: all that is not there has gone
	if gone, err := v.VanishedSince(background, v.Folder().ModSeq-1, mailbox.AllUIDs); err != nil || !slices.Equal(gone, mailbox.UIDs{{First: 1, Last: 2}}) {
		t.Errorf("%v, %v", gone, err)
	}
}

func testCompact(t *testing.T, p *Place) {
	if p.Blobs != nil {
		t.Skip("segments small enough for this are files' alone; package blob compacts on S3, too")
	}
	p.Blobs = func(ctx context.Context, t testing.TB, db *sqldb.DB) blob.Store {
		b, err := blob.OpenFilesUse(ctx, blob.Options{Dir: filepath.Join(p.Dir, "mail"), SegmentSize: 8 << 10}, mailbox.LiveBlobs(ctx, db))
		want(t.(*testing.T), err, nil)
		return b
	}
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 100 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i, strings.Repeat("x", 200))))
	}
	v := k.Select(u, "INBOX")
	for uid := uint32(1); uid <= 100; uid++ {
		if uid%5 != 0 {
			_, err := v.Expunge(background, mailbox.One(uid), true)
			want(t, err, nil)
		}
	}
	before := k.Blobs.Usage()
	k.Close() // closed are all segments by then, and may be compacted
	k = p.Open(t)
	for {
		n, err := k.Store.Compact(background)
		want(t, err, nil)
		if n == 0 {
			break
		}
	}
	check := func(k *Kit) {
		t.Helper()
		v := k.Select(k.User("bob@example.com"), "INBOX")
		if v.Len() != 20 {
			t.Errorf("%d messages", v.Len())
		}
		for _, l := range k.Lines(v) {
			if k.Text(v, l.UID) != Message(fmt.Sprint(l.UID-1, strings.Repeat("x", 200))) {
				t.Errorf("message %d is another", l.UID)
			}
		}
	}
	check(k)
	k.Close()
	after := k.Blobs.Usage() // removal is done by then
	if after.Live != before.Live || after.Total > before.Total/2 {
		t.Errorf("%+v, then %+v", before, after)
	}
	k = p.Open(t)
	check(k)
	if u := k.Blobs.Usage(); u.Live != after.Live {
		t.Errorf("%+v, then %+v", after, u)
	}
}

func testWatch(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	w, err := u.Watch(background, nil)
	want(t, err, nil)
	defer w.Close()
	k.Append(u, "INBOX", Message("1"))
	_, err = u.Create(background, "a/b", mailbox.RoleNone)
	want(t, err, nil)
	want(t, u.Rename(background, "Junk", "Spam"), nil)
	want(t, u.Delete(background, "Sent"), nil)
	want(t, u.Annotate(background, "a", mailbox.Annotation{Name: "/private/x", Value: []byte("1")}), nil)
	want(t, u.Subscribe(background, "a/b", true), nil)
	<-w.Changed()
	var got []string
	for _, c := range w.Take() {
		got = append(got, fmt.Sprintln(c.Folder.Name, c.Old, c.Created, c.Removed, c.Subscribed, c.Annotated, c.Appended, c.Expunged, c.Flagged, c.Folder.Messages))
	}
	expected := []string{
		"INBOX  false false false false true false false 1\n", "Sent  false true false false false false false 0\n", "Spam Junk false false false false false false false 0\n",
		"a  true false false true false false false 0\n", "a/b  true false true false false false false 0\n",
	}
	if !slices.Equal(got, expected) {
		t.Errorf("%q", got)
	}
	if list := w.Take(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

// learner notes what it is told.
type learner chan string

// Learn implements mailbox.Learner.
func (l learner) Learn(_ context.Context, user string, junk, uploaded bool, open func() (io.ReadCloser, error)) {
	r, err := open()
	if err != nil {
		l <- err.Error()
		return
	}
	defer r.Close()
	b, _ := io.ReadAll(r)
	_, rest, _ := strings.Cut(string(b), "Subject: ")
	subject, _, _ := strings.Cut(rest, "\r\n")
	if uploaded {
		user += " "
	}
	l <- fmt.Sprint(user, junk, subject)
}

func testLearner(t *testing.T, p *Place) {
	l := make(learner, 10)
	p.Deps.Learner = l
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 3 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i)))
	}
	v := k.Select(u, "INBOX")
	_, err := v.Move(background, mailbox.UIDs{{First: 1, Last: 2}}, "Junk")
	want(t, err, nil)
	_, err = v.Copy(background, mailbox.One(3), "Archive")
	want(t, err, nil)
	w := k.Select(u, "Junk")
	_, err = w.Move(background, mailbox.One(1), "INBOX")
	want(t, err, nil)
	_, err = w.Move(background, mailbox.One(2), "Trash")
	want(t, err, nil)
	k.Append(u, "Junk", Message("3")) // as mbsync moves
	_, err = k.Store.Deliver(background, mailbox.Item{User: u, Folder: "Junk", Object: k.Put(Message("4"))})
	want(t, err, nil)
	for _, expected := range []string{"bob@example.comtrue0", "bob@example.comtrue1", "bob@example.comfalse0", "bob@example.com true3"} {
		if got := <-l; got != expected {
			t.Errorf("%q", got)
		}
	}
	select {
	case got := <-l:
		t.Errorf("%q", got)
	default:
	}
}

func testCheck(t *testing.T, p *Place) {
	k := p.Open(t)
	u := k.User("bob@example.com")
	for i := range 4 {
		k.Append(u, "INBOX", Message(fmt.Sprint(i)))
	}
	k.Check()
	for _, q := range []string{
		"UPDATE mailbox_objects SET refs = 7 WHERE id = (SELECT MIN(id) FROM mailbox_objects)",
		"DELETE FROM mailbox_objects WHERE id = (SELECT MAX(id) FROM mailbox_objects)",
		"UPDATE mailbox_folders SET unseen = 9, next = 2 WHERE name = 'INBOX'",
		"UPDATE mailbox_users SET octets = 1",
		"DELETE FROM mailbox_blocks",
	} {
		want(t, k.DB.Write(background, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, q)
			return err
		}), nil)
	}
	run := func(repair bool) (list []string) {
		err := k.Store.Check(background, repair, func(p mailbox.Problem) {
			list = append(list, fmt.Sprint(p.What, p.Repaired))
		}, nil)
		want(t, err, nil)
		return list
	}
	if found := run(false); len(found) != 5 {
		t.Errorf("%q", found)
	}
	if found := run(true); len(found) != 5 {
		t.Errorf("%q", found)
	}
	if found := run(false); len(found) != 0 {
		t.Errorf("%q", found)
	}
	v := k.Select(u, "INBOX")
	if f := v.Folder(); f.Messages != 3 || f.Next < 5 || f.Unseen != 3 || v.Len() != 3 {
		t.Errorf("%+v", f)
	}
	v.Close()
}
