package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// crash is a store on a disk whose power is cut.
type crash struct {
	t     *testing.T
	dir   string
	disk  *blobtest.Disk
	s     *Store
	db    *sqldb.DB
	blobs *blob.Files
	must  map[string]string // folder and subject of what was promised -> flags
	may   map[string]bool   // what may be there or not: the last operation's
	ended bool
	gone  map[string]bool   // what was promised to have gone
	last  map[string]uint32 // folder -> highest UID that was told
	uids  map[string]string // "folder validity uid" -> subject: never another
}

func (c *crash) open() bool {
	ctx := context.Background()
	var err error
	if c.db, err = sqldb.Open(ctx, sqldb.Options{Dir: c.dir}); err != nil {
		c.t.Fatal(err)
	}
	c.blobs, err = blob.OpenFilesUse(ctx, blob.Options{Dir: "mail", FS: c.disk, SegmentSize: 4 << 10, Large: 2 << 10, Ahead: 1 << 10}, LiveBlobs(ctx, c.db))
	if err != nil {
		c.db.Close()
		return false
	}
	disk, db := c.disk, c.db
	write := func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
		if err := disk.Step(); err != nil {
			return err
		}
		if err := db.Write(ctx, f); err != nil {
			return err
		}
		return disk.Step() // done, and nobody has heard of it
	}
	if c.s, err = Open(ctx, Options{}, Deps{DB: db, Blobs: c.blobs, write: write}); err != nil {
		c.t.Fatal(err)
	}
	return true
}

func (c *crash) close() {
	if err := errors.Join(c.s.Close(), c.db.Close()); err != nil {
		c.t.Error(err)
	}
	c.blobs.Close()
}

func textOf(subject string) string {
	return "Subject: " + subject + "\r\n\r\n" + strings.Repeat(subject+"\r\n", 20+len(subject)*int(subject[len(subject)-1])%200)
}

// deliver stores messages of a subject in folders.
func (c *crash) deliver(u *User, subject string, folders ...string) bool {
	for _, f := range folders {
		c.may[f+" "+subject] = true
	}
	o, err := c.s.Put(context.Background(), -1, strings.NewReader(textOf(subject)))
	if err != nil {
		return false
	}
	defer o.Discard()
	var items []Item
	for _, f := range folders {
		items = append(items, Item{User: u, Folder: f, Object: o, Create: true, Key: subject})
	}
	places, err := c.s.Deliver(context.Background(), items...)
	if err != nil {
		return false
	}
	for i, f := range folders {
		delete(c.may, f+" "+subject)
		c.must[f+" "+subject] = ""
		c.last[f] = max(c.last[f], places[i].UID)
		c.uids[fmt.Sprint(f, places[i].Validity, places[i].UID)] = subject
	}
	return true
}

// work goes on until the power goes.
func (c *crash) work() {
	ctx := context.Background()
	u, err := c.s.User(ctx, "bob@example.com")
	if err != nil {
		return
	}
	for i := range 6 {
		if !c.deliver(u, fmt.Sprint("m", i), "INBOX", "lists/a") {
			return
		}
	}
	v, err := u.Select(ctx, "INBOX", false)
	if err != nil {
		return
	}
	defer v.Close()
	c.may["flags INBOX m1"], c.may["flags INBOX m2"] = true, true
	if _, err := v.Change(ctx, UIDs{{2, 3}}, AddFlags, []string{`\Deleted`, "x"}, nil); err != nil {
		return
	}
	clear(c.may)
	c.must["INBOX m1"], c.must["INBOX m2"] = `\Deleted x`, `\Deleted x`
	c.may["Archive m0"] = true
	if _, err := v.Copy(ctx, One(1), "Archive"); err != nil {
		return
	}
	c.must["Archive m0"] = ""
	c.drop("INBOX m1", "INBOX m2")
	if _, err := v.Expunge(ctx, AllUIDs, false); err != nil {
		return
	}
	c.went("INBOX m1", "INBOX m2")
	c.drop("INBOX m3")
	c.may["Archive m3"] = true
	if _, err := v.Move(ctx, One(4), "Archive"); err != nil {
		return
	}
	c.went("INBOX m3")
	c.must["Archive m3"] = ""
	for i := range 6 {
		c.drop(fmt.Sprint("lists/a m", i))
	}
	if err := u.Delete(ctx, "lists/a"); err != nil {
		return
	}
	for i := range 6 {
		c.went(fmt.Sprint("lists/a m", i))
	}
	if !c.deliver(u, "n0", "lists/a", "Junk") {
		return
	}
	if c.s.Tidy(ctx) != nil {
		return
	}
	for i := range 3 {
		c.s.Compact(ctx)
		if !c.deliver(u, fmt.Sprint("z", i), "INBOX") {
			return
		}
	}
	c.ended = true
}

// drop says that what was promised may go now.
func (c *crash) drop(keys ...string) {
	for _, k := range keys {
		delete(c.must, k)
		c.may[k] = true
	}
}

// went says that it has.
func (c *crash) went(keys ...string) {
	for _, k := range keys {
		delete(c.may, k)
		c.gone[k] = true
	}
}

// verify compares what is there with what was promised.
func (c *crash) verify(n int) {
	ctx := context.Background()
	c.s.Check(ctx, false, func(p Problem) { c.t.Errorf("cut after %d: %+v", n, p) }, nil)
	u, err := c.s.Find(ctx, "bob@example.com")
	if errors.Is(err, ErrNoUser) && len(c.must) == 0 {
		return
	}
	if err != nil {
		c.t.Fatal(err)
	}
	folders, err := u.Folders(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range folders {
		c.folder(n, u, f, found)
	}
	for k := range c.must {
		if found[k] != 1 {
			c.t.Errorf("cut after %d: %q is there %d times", n, k, found[k])
		}
	}
	for k, times := range found {
		if _, must := c.must[k]; !must && !c.may[k] || times > 1 {
			c.t.Errorf("cut after %d: %q is there %d times", n, k, times)
		}
	}
}

func (c *crash) folder(n int, u *User, f Folder, found map[string]int) {
	ctx := context.Background()
	v, err := u.Select(ctx, f.Name, true)
	if err != nil {
		c.t.Fatal(err)
	}
	defer v.Close()
	_, err = v.Messages(ctx, AllUIDs, true, func(m *Message) error {
		r, err := v.Open(ctx, m)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return err
		}
		subject, _, _ := strings.Cut(strings.TrimPrefix(string(b), "Subject: "), "\r\n")
		if string(b) != textOf(subject) {
			c.t.Errorf("cut after %d: %q is damaged", n, subject)
		}
		key := f.Name + " " + subject
		found[key]++
		if was, ok := c.uids[fmt.Sprint(f.Name, f.Validity, m.UID)]; ok && was != subject {
			c.t.Errorf("cut after %d: UID %d of %s was %q, is %q", n, m.UID, f.Name, was, subject)
		}
		if flags, ok := c.must[key]; ok && !c.may["flags "+key] {
			names := f.Keywords.Names(m.Flags)
			slices.Sort(names)
			if got := strings.Join(names, " "); got != flags {
				c.t.Errorf("cut after %d: %q has %q, not %q", n, key, got, flags)
			}
		}
		return nil
	})
	if err != nil {
		c.t.Errorf("cut after %d: %s: %v", n, f.Name, err)
	}
}

// again stores one more of what was promised, and something new, after the
// power came back: nothing is doubled, no UID used again.
func (c *crash) again(n int) {
	u, err := c.s.User(context.Background(), "bob@example.com")
	if err != nil {
		c.t.Fatal(err)
	}
	for k := range c.must {
		if folder, subject, _ := strings.Cut(k, " "); folder == "INBOX" {
			o, err := c.s.Put(context.Background(), -1, strings.NewReader(textOf(subject)))
			if err != nil {
				c.t.Fatal(err)
			}
			places, err := c.s.Deliver(context.Background(), Item{User: u, Folder: "INBOX", Object: o, Key: subject})
			if err != nil || !places[0].Known {
				c.t.Errorf("cut after %d: %q stored again: %+v, %v", n, subject, places, err)
			}
			o.Discard()
		}
	}
	before := c.last["INBOX"]
	if !c.deliver(u, "after", "INBOX") || c.last["INBOX"] <= before {
		c.t.Errorf("cut after %d: UID %d after %d", n, c.last["INBOX"], before)
	}
}

// TestPowerCutAfterAnyOperation: whatever was promised is there, whole, once,
// after the power was cut at any operation of blobs or database; what was
// promised to go has gone; no UID is used again, and space is not lost.
func TestPowerCutAfterAnyOperation(t *testing.T) {
	t.Parallel()
	step := 4
	if os.Getenv("GAPURA_SOAK") != "" {
		step = 1
	}
	ops := cutAfter(t, 1<<30)
	t.Logf("%d operations", ops)
	for n := 1; n < ops; n += step {
		cutAfter(t, n)
	}
}

func cutAfter(t *testing.T, n int) (ops int) {
	c := &crash{
		t: t, dir: t.TempDir(), disk: blobtest.New(), must: map[string]string{}, may: map[string]bool{},
		gone: map[string]bool{}, last: map[string]uint32{}, uids: map[string]string{},
	}
	c.disk.CutAfter(n)
	if c.open() {
		c.work()
		c.close()
	}
	if ops = c.disk.Ops(); n > ops && !c.ended {
		t.Fatal("the work failed without a cut")
	}
	c.disk = c.disk.Restart(uint64(n))
	if !c.open() {
		t.Fatal("the blobs do not open again")
	}
	c.verify(n)
	c.again(n)
	if err := c.s.Tidy(context.Background()); err != nil {
		t.Error(err)
	}
	c.close()
	if !c.open() {
		t.Fatal("the blobs do not open again")
	}
	c.verify(n)
	c.close()
	return ops
}
