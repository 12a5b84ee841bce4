package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// writes counts the transactions of the lab's queue.
func (l *lab) writes() *atomic.Int64 {
	n, write := new(atomic.Int64), l.q.write
	l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
		n.Add(1)
		return write(ctx, f)
	}
	return n
}

func TestDeliveredAtOnceNeedsNoRow(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		n := l.writes()
		l.start()
		for i := range 20 {
			l.send("a@example.org", mail, fmt.Sprintf("%d@x.test", i))
		}
		settle()
		if len(l.next.all()) != 20 || n.Load() != 0 {
			t.Errorf("%d delivered with %d transactions", len(l.next.all()), n.Load())
		}
		if u := l.blobs.Usage(); u.Live != 0 {
			t.Errorf("%+v", u)
		}
		time.Sleep(3 * logTime)
		settle()
		l.close()
		l.open() // what is done is not done again
		l.start()
		settle()
		if len(l.next.all()) != 20 || len(l.list()) != 0 {
			t.Errorf("%d delivered, %d left", len(l.next.all()), len(l.list()))
		}
	})
}

func TestWhatTakesLongerGetsARow(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.before = func(context.Context, *Job) { time.Sleep(time.Minute) }
		l.start()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		if n := len(l.list()); n != 0 {
			t.Errorf("%d rows at once", n)
		}
		time.Sleep(2 * logTime)
		settle()
		if list := l.list(); len(list) != 1 || list[0].State != Active {
			t.Errorf("%+v", list)
		}
		time.Sleep(time.Minute)
		settle()
		if n := len(l.list()); n != 0 || l.blobs.Usage().Live != 0 {
			t.Errorf("%d rows left", n)
		}
	})
}

// TestDatabaseIsAwayForAMoment: what is delivered at once does not need it.
// What is not stays in the log until it is back.
func TestDatabaseIsAwayForAMoment(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var away atomic.Bool
		away.Store(true)
		write := l.q.write
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			if away.Load() {
				return errors.New("away")
			}
			return write(ctx, f)
		}
		l.next.answer = func(j *Job, to string) Outcome {
			if strings.HasPrefix(to, "later") && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.next.before = func(_ context.Context, j *Job) {
			if j.Destination == "slow.test" {
				time.Sleep(3 * logTime)
			}
		}
		l.start()
		for _, to := range []string{"a@slow.test", "b@x.test", "later@x.test"} {
			l.send("a@example.org", mail, to)
		}
		settle()
		time.Sleep(5 * logTime)
		settle()
		if n := len(l.next.all()); n != 3 {
			t.Errorf("%d attempts", n)
		}
		away.Store(false)
		time.Sleep(time.Hour)
		settle()
		if n := len(l.next.all()); n != 4 || len(l.list()) != 0 || l.blobs.Usage().Live != 0 || len(l.q.wal.entries) != 0 {
			t.Errorf("%d attempts, %d left, %+v", n, len(l.list()), l.blobs.Usage())
		}
	})
}

// TestLogLetsGoOfSegments: the log keeps only the segments that it needs, and
// no more of the void than is in these.
func TestLogLetsGoOfSegments(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		files, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "b", FS: blobtest.New(), SegmentSize: 64 << 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.blobs.Close()
		files.Hold(1) // as at the start
		l.blobs, l.q.blobs, l.q.notes = files, files, files
		l.next.answer = func(j *Job, to string) Outcome {
			if strings.HasPrefix(to, "later") && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.start()
		body := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 100)
		for i := range 100 {
			to := "a@x.test"
			if i%10 == 0 {
				to = "later@y.test"
			}
			l.send("a@example.org", body, to)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(30 * time.Minute)
		l.send("a@example.org", body, "a@x.test")
		time.Sleep(3 * logTime)
		settle()
		void := -1
		if err := l.db.Read().QueryRow(t.Context(), `SELECT COUNT(*) FROM queue_void`).Scan(&void); err != nil {
			t.Fatal(err)
		}
		if u := files.Usage(); u.Segments > 2 || void > 8 || len(l.list()) != 0 {
			t.Errorf("%+v, %d void, %d left", u, void, len(l.list()))
		}
	})
}

// TestNotesThatDoNotCount: those of another process, those that are done, void
// or torn; the others become rows.
func TestNotesThatDoNotCount(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.close()
		l.open()
		q := l.q
		made := func(id int64) *entry {
			m := &message{first: id, entries: 1, trace: fmt.Sprint("m", id), queued: q.clock.now()}
			e := &entry{id: id, msg: m, route: "out", domain: "x.test", rcpts: []recipient{{to: copyOf("", "", "a@x.test").Rcpts[0].To}}}
			return e
		}
		put := func(e *entry, salt uint64) {
			t.Helper()
			note := appendRow(binary.LittleEndian.AppendUint64(nil, salt), e)
			if _, err := q.notes.AppendNote(t.Context(), e.msg.tag(), note, int64(len(mail)), strings.NewReader(mail)); err != nil {
				t.Fatal(err)
			}
		}
		for id := int64(1); id <= 4; id++ {
			put(made(id), q.salt)
		}
		put(made(5), q.salt+1)
		if err := q.logDone([]int64{2, 7}); err != nil {
			t.Fatal(err)
		}
		err := l.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, sqlVoid, 3, 1<<60)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{}, l.deps()); !errors.Is(err, errElsewhere) {
			t.Errorf("opened without having read the log: %v", err)
		}
		l.blobs.Close() // and no more of the queue: it has crashed
		db := l.db
		l.q = nil
		l.open()
		db.Close()
		var ids []int64
		for _, it := range l.list() {
			ids = append(ids, it.Entry)
		}
		if fmt.Sprint(ids) != "[1 4]" {
			t.Errorf("%v", ids)
		}
		l.start()
		settle()
		if n := len(l.next.all()); n != 2 || l.next.all()[0].body != mail {
			t.Errorf("%d delivered", n)
		}
	})
}

// TestMoveThatWasWrittenUnheard: a row that was made of a note is there though
// nobody has heard of it. What is delivered then must not stay in it.
func TestMoveThatWasWrittenUnheard(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		write := l.q.write
		away := true
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			err := write(ctx, f)
			if away {
				return errors.New("the connection was lost")
			}
			return err
		}
		l.next.before = func(context.Context, *Job) { time.Sleep(2*logTime + logTime/2) }
		l.next.answer = func(j *Job, to string) Outcome {
			if strings.HasPrefix(to, "later") && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "b@x.test")
		l.send("a@example.org", mail, "later@y.test")
		time.Sleep(logTime + logTime/2)
		settle()
		if n := len(l.list()); n != 2 {
			t.Fatalf("%d rows", n)
		}
		away = false
		l.q.mu.Lock()
		l.q.wal.at = never // they end before it is tried again
		l.q.mu.Unlock()
		time.Sleep(2 * logTime)
		settle()
		if list := l.list(); len(list) != 1 || list[0].State != Waiting {
			t.Errorf("%+v", list)
		}
		time.Sleep(time.Hour)
		settle()
		if n := len(l.list()); n != 0 || len(l.next.all()) != 3 || l.blobs.Usage().Live != 0 {
			t.Errorf("%d left, %d attempts, %+v", n, len(l.next.all()), l.blobs.Usage())
		}
	})
}

// slowDisk is one whose syncs take a while.
type slowDisk struct {
	*blobtest.Disk
	syncs atomic.Int64
}

const slowSync = 2 * time.Millisecond

type slowFile struct {
	blob.File
	disk *slowDisk
}

func (d *slowDisk) Create(name string) (blob.File, error) {
	f, err := d.Disk.Create(name)
	return slowFile{f, d}, err
}

func (f slowFile) Sync() error {
	f.disk.syncs.Add(1)
	time.Sleep(slowSync)
	return f.File.Sync()
}

// TestASlowDiskIsWaitedForTwice: with 200 sessions, one sync is for all that
// was written before it, and what is done waits behind nobody: who commits
// waits for the sync that runs and for one more. So does who needs rows.
func TestASlowDiskIsWaitedForTwice(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		disk := &slowDisk{Disk: blobtest.New()}
		files, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "b", FS: disk}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.blobs.Close()
		l.blobs, l.q.blobs, l.q.notes = files, files, files
		l.next.before = func(context.Context, *Job) { time.Sleep(time.Millisecond / 4) }
		l.start()
		l.send("a@example.org", mail, "b@x.test") // makes the segment
		settle()
		began, longest := time.Now(), atomic.Int64{}
		const sessions, each = 200, 10
		var wg sync.WaitGroup
		for i := range sessions {
			wg.Go(func() {
				for range each {
					start := time.Now()
					to := []string{fmt.Sprintf("b@d%d.test", i)}
					if i%20 == 0 {
						to = append(to, "c@y.test")
					}
					l.send("a@example.org", mail, to...)
					if took := int64(time.Since(start)); took > longest.Load() {
						longest.Store(took)
					}
				}
			})
		}
		wg.Wait()
		if most := time.Duration(longest.Load()); most > 2*slowSync {
			t.Errorf("a commit took %v", most)
		}
		t.Logf("%v for %d of each, %d syncs", time.Since(began), each, disk.syncs.Load())
		settle()
		if n := len(l.next.all()); n != sessions*each+sessions*each/20+1 {
			t.Errorf("%d delivered", n)
		}
	})
}
