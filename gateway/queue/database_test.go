package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestDatabaseFails: while nothing can be written, nobody is promised
// anything and nothing is tried; what was delivered is not delivered again.
func TestDatabaseFails(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.q.notes = nil // it needs no database
		var full atomic.Bool
		write := l.q.write
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			if full.Load() {
				return syscall.ENOSPC
			}
			return write(ctx, f)
		}
		l.next.before = func(context.Context, *Job) { full.Store(true) } // just now
		l.start()
		l.send("a@example.org", mail, "1@x.test")
		settle()
		d := l.q.Delivery("out")
		if _, err := d.Commit(context.Background(), copyOf("a@example.org", mail, "2@x.test")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		} else if r, ok := smtp.AsReply(err); !ok || r.Code != 452 {
			t.Errorf("the client hears %v", r)
		}
		if err := d.Prepare(context.Background(), copyOf("a@example.org", mail, "3@x.test")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		}
		d.Abort()
		if n := len(l.next.all()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		l.next.before = nil
		full.Store(false)
		time.Sleep(2 * time.Second)
		settle()
		l.send("a@example.org", mail, "4@x.test")
		settle()
		if n := len(l.next.all()); n != 2 || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
			t.Errorf("%d attempts, %d left, %d octets live", n, len(l.list()), l.blobs.Usage().Live)
		}
	})
}

// TestDatabaseIsLeftAloneWhileItFails: however many outcomes wait to be written,
// it is asked twice a second, not once for each of them.
func TestDatabaseIsLeftAloneWhileItFails(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		const n = 100
		l.q.notes = nil // it needs no database
		var full atomic.Bool
		var asked atomic.Int64
		write := l.q.write
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			if full.Load() {
				asked.Add(1)
				return errors.New("connection refused")
			}
			return write(ctx, f)
		}
		var under sync.WaitGroup
		under.Add(n)
		l.next.before = func(context.Context, *Job) {
			under.Done()
			under.Wait()
			full.Store(true)
		}
		l.start()
		for i := range n {
			l.send("a@example.org", mail, fmt.Sprintf("b@%d.test", i))
		}
		settle()
		asked.Store(0)
		time.Sleep(10 * time.Second)
		if k := asked.Load(); k < 5 || k > 30 {
			t.Errorf("asked %d times in 10 s", k)
		}
		full.Store(false)
		time.Sleep(2 * time.Second)
		settle()
		if k := len(l.next.all()); k != n || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
			t.Errorf("%d attempts, %d left, %d octets live", k, len(l.list()), l.blobs.Usage().Live)
		}
	})
}

// TestReady: who asks hears that mail cannot be stored, and that it can again,
// though no message comes to find out.
func TestReady(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.q.notes = nil // it needs no database
		var full atomic.Bool
		var asked atomic.Int64
		write := l.q.write
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			asked.Add(1)
			if full.Load() {
				return errors.New("connection refused")
			}
			return write(ctx, f)
		}
		l.start()
		if !l.q.Ready(t.Context()) || asked.Load() != 0 {
			t.Error("before:", asked.Load())
		}
		full.Store(true)
		if _, err := l.q.Delivery("out").Commit(t.Context(), copyOf("a@example.org", mail, "1@x.test")); err == nil {
			t.Fatal("taken")
		}
		settle()
		asked.Store(0)
		for range 100 {
			if l.q.Ready(t.Context()) {
				t.Fatal("ready")
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("tried %d times", n)
		}
		full.Store(false)
		time.Sleep(readyEvery)
		if !l.q.Ready(t.Context()) {
			t.Error("not ready again")
		}
		settle()
		if u := l.blobs.Usage(); u.Live != 0 {
			t.Errorf("%+v", u)
		}
		full.Store(true)
		if _, err := l.q.Delivery("out").Commit(t.Context(), copyOf("a@example.org", mail, "2@x.test")); err == nil || l.q.Ready(t.Context()) {
			t.Error("ready", err)
		}
		full.Store(false)
		l.send("a@example.org", mail, "3@x.test")
		if !l.q.Ready(t.Context()) {
			t.Error("a message was stored")
		}
	})
}

// TestOctetsThatCannotBeReadNow: while S3 is away messages are tried again and
// again; when it is back they do not wait for hours, as if their next hop had
// put them off.
func TestOctetsThatCannotBeReadNow(t *testing.T) {
	in(t, Options{Retry: []time.Duration{time.Minute, 4 * time.Hour}}, func(t *testing.T, l *lab) {
		away := &awayBlobs{Store: l.blobs}
		away.away.Store(true)
		l.q.notes = nil
		l.q.blobs = away
		l.start()
		l.send("a@example.org", strings.Repeat(mail, maxKept/len(mail)+1), "b@x.test")
		time.Sleep(time.Hour)
		if items := l.list(); len(items) != 1 || items[0].State == Held || items[0].Attempts != 0 {
			t.Fatalf("%+v", items)
		}
		away.away.Store(false)
		time.Sleep(time.Minute)
		settle()
		if len(l.next.all()) != 1 || len(l.list()) != 0 {
			t.Errorf("%d delivered, %+v", len(l.next.all()), l.list())
		}
	})
}

// awayBlobs cannot be read for a while.
type awayBlobs struct {
	blob.Store
	away atomic.Bool
}

func (b *awayBlobs) Open(ctx context.Context, ref blob.Ref) (blob.Reader, error) {
	if b.away.Load() {
		return nil, errors.New("connection refused")
	}
	return b.Store.Open(ctx, ref)
}

// TestFullDisk: the client hears 452, nothing is left of the message, and all
// goes well again when there is room.
func TestFullDisk(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		disk := blobtest.New()
		files, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "b", FS: disk}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.blobs.Close()
		l.blobs, l.q.blobs, l.q.notes = files, files, files
		l.start()
		disk.SetRoom(10)
		_, err = l.q.Delivery("out").Commit(t.Context(), copyOf("a@example.org", mail, "1@x.test"))
		if r, ok := smtp.AsReply(err); !ok || r.Code != 452 {
			t.Errorf("%v", err)
		}
		disk.SetRoom(-1)
		l.send("a@example.org", mail, "2@x.test")
		settle()
		if n := len(l.next.all()); n != 1 || len(l.list()) != 0 || l.blobs.Usage().Live != 0 || l.q.kept.Load() != 0 {
			t.Errorf("%d delivered, %d left, %+v, %d kept", n, len(l.list()), l.blobs.Usage(), l.q.kept.Load())
		}
	})
}

// TestCommitWhoseAnswerIsLost: a message that the client was refused, although
// its rows were written, is taken back.
func TestCommitWhoseAnswerIsLost(t *testing.T) {
	for _, hold := range []string{"", "a quota"} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			var lost atomic.Bool
			write := l.q.write
			l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
				if err := write(ctx, f); err != nil || lost.Swap(true) {
					return err
				}
				return errors.New("connection lost")
			}
			l.start()
			c := copyOf("a@example.org", mail, "a@x.test", "b@y.test")
			c.Queue.Hold = hold
			if _, err := l.q.Delivery("out").Commit(t.Context(), c); err == nil {
				t.Fatal("taken")
			}
			settle()
			if n, live := len(l.list()), l.blobs.Usage().Live; n != 0 || live != 0 {
				t.Errorf("%d rows and %d octets are left", n, live)
			}
		})
	}
}

// TestCloseWritesWhatIsLate: an outcome that could not be written is, when the
// queue is closed.
func TestCloseWritesWhatIsLate(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var full atomic.Bool
		write := l.q.write
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			if full.Load() {
				return syscall.ENOSPC
			}
			return write(ctx, f)
		}
		l.next.before = func(context.Context, *Job) { full.Store(true) }
		l.start()
		l.send("a@example.org", mail, "a@x.test")
		settle()
		full.Store(false)
		l.close()
		l.open()
		l.start()
		settle()
		if n := len(l.next.all()); n != 1 || len(l.list()) != 0 {
			t.Errorf("%d attempts, %d left", n, len(l.list()))
		}
	})
}

// TestDamagedRowOfWhatIsNew: a row that cannot be read does not keep the queue
// from opening, nor its octets from being kept.
func TestDamagedRowOfWhatIsNew(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.send("a@example.org", mail, "bad@x.test")
		l.send("a@example.org", mail, "good@x.test")
		l.close()
		l.q = nil
		db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: l.dir, URL: sqldbtest.URL(t, l.dir)})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE queue_new SET data = ? WHERE id = 1`, []byte{99})
			return err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		l.open()
		l.start()
		settle()
		if all := l.next.all(); len(all) != 1 || all[0].to[0] != "good@x.test" {
			t.Errorf("%+v", all)
		}
		if l.blobs.Usage().Live == 0 {
			t.Error("the octets are gone")
		}
	})
}

// TestListHoldsNothingOpen: who reads a list slowly does not keep the database
// from tidying up.
func TestListHoldsNothingOpen(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: l.dir, URL: sqldbtest.URL(t, l.dir), Readers: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		l.send("a@example.org", mail, "a@x.test")
		c := copyOf("a@example.org", mail, "a@x.test")
		c.Queue.Hold = "a quota"
		l.commit(c)
		n := 0
		err = List(t.Context(), db, Options{}, Filter{All: true}, func(*Item) error {
			n++
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return db.Read().QueryRow(ctx, "SELECT 1").Scan(new(int)) // it has one connection to read with
		})
		if err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
	})
}
