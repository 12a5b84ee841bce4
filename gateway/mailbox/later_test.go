package mailbox_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// laterBlobs lets blobs fail when they are to become durable, or wait for that.
type laterBlobs struct {
	*blob.Files
	mu   sync.Mutex
	fail bool          // the next one
	gate chan struct{} // of the next one; nil: none
}

func (l *laterBlobs) AppendLater(ctx context.Context, tag string, size int64, src io.Reader) (blob.Ref, func() error, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ref, durable, err := l.Files.AppendLater(ctx, tag, size, src)
	fail, gate := l.fail, l.gate
	l.fail, l.gate = false, nil
	return ref, sync.OnceValue(func() error {
		if gate != nil {
			<-gate
		}
		if fail { // and what is there of it is not known
			return syscall.EIO
		}
		return durable()
	}), err
}

// laterPlace is a place whose blobs are laterBlobs; they are there once it is
// open.
func laterPlace(t *testing.T) (*mailboxtest.Place, *laterBlobs) {
	blobs := &laterBlobs{}
	place := &mailboxtest.Place{Dir: t.TempDir()}
	place.Blobs = func(ctx context.Context, t testing.TB, db *sqldb.DB) (_ blob.Store) {
		var err error
		if blobs.Files, err = blob.OpenFilesUse(ctx, blob.Options{Dir: filepath.Join(place.Dir, "mail")}, mailbox.LiveBlobs(ctx, db)); err != nil {
			t.Fatal(err)
		}
		return blobs
	}
	return place, blobs
}

// TestWhatIsNotDurableHasNoRows: of many changes in one transaction only those
// fail whose octets cannot be made durable, all that others have stays, and
// nothing is left of the objects that failed.
func TestWhatIsNotDurableHasNoRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place, blobs := laterPlace(t)
		k := place.Open(t)
		defer k.Close()
		a, b := k.User("a@example.com"), k.User("b@example.com")
		bad := func(subject string) *mailbox.Object {
			blobs.fail = true
			return k.Put(mailboxtest.Message(subject))
		}
		item := func(u *mailbox.User, o *mailbox.Object) mailbox.Item {
			return mailbox.Item{User: u, Folder: "INBOX", Object: o}
		}
		blobs.gate = make(chan struct{})
		gate := blobs.gate
		sets := [][]mailbox.Item{
			{item(a, k.Put(mailboxtest.Message("first")))}, // the others wait for it, and are written together
			{item(a, bad("bad"))},
			{item(a, k.Put(mailboxtest.Message("good a")))},
			{item(b, k.Put(mailboxtest.Message("good b"))), item(a, bad("with b")), item(b, k.Put(mailboxtest.Message("behind")))},
			{item(b, k.Put(mailboxtest.Message("good too")))},
		}
		errs := make([]error, len(sets))
		var wg sync.WaitGroup
		for i, items := range sets {
			wg.Go(func() { _, errs[i] = k.Store.Deliver(context.Background(), items...) })
			synctest.Wait()
		}
		close(gate)
		wg.Wait()
		for i, err := range errs {
			if fails := i == 1 || i == 3; fails != errors.Is(err, syscall.EIO) || !fails && err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		if _, err := k.Store.Deliver(context.Background(), sets[1]...); err == nil {
			t.Error("delivered when it had been given up")
		}
		for _, u := range []*mailbox.User{a, b} {
			f, err := u.Folder(context.Background(), "INBOX")
			if want := map[*mailbox.User]int{a: 2, b: 1}[u]; err != nil || int(f.Messages) != want {
				t.Errorf("%d messages, not %d: %v", f.Messages, want, err)
			}
		}
		for _, items := range sets {
			for _, x := range items {
				x.Object.Discard()
			}
		}
		if n := mailbox.InFlight(k.Store); n != 0 {
			t.Errorf("%d objects are still to be stored", n)
		}
	})
}

// TestDoubtfulThenNotDurable: an object of a delivery that failed because of
// another, and that cannot be made durable itself, leaves nothing.
func TestDoubtfulThenNotDurable(t *testing.T) {
	place, blobs := laterPlace(t)
	k := place.Open(t)
	u := k.User("a@example.com")
	var items []mailbox.Item
	for _, s := range []string{"one", "two"} {
		blobs.fail = true
		items = append(items, mailbox.Item{User: u, Folder: "INBOX", Object: k.Put(mailboxtest.Message(s))})
	}
	if _, err := k.Store.Deliver(context.Background(), items...); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	for _, x := range items {
		x.Object.Discard()
	}
	if n := mailbox.InFlight(k.Store); n != 0 {
		t.Errorf("%d objects are still to be stored", n)
	}
}
