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

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// prepared queues c as one of several copies of a message.
func (l *lab) prepared(c *gateway.Copy) {
	l.t.Helper()
	d := l.q.Delivery("out")
	defer d.Abort()
	if err := d.Prepare(context.Background(), c); err != nil {
		l.t.Fatal(err)
	}
	if _, err := d.Commit(context.Background(), c); err != nil {
		l.t.Fatal(err)
	}
}

// TestPreparedWaitsAsAsked: what is one of several copies is held, and waits
// for its time, as a lone one does; after a crash too.
func TestPreparedWaitsAsAsked(t *testing.T) {
	for _, crash := range []bool{false, true} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			if !crash {
				l.start()
			}
			held := copyOf("a@example.org", mail, "held@x.test")
			held.Queue.Hold = "a quota"
			l.prepared(held)
			later := copyOf("a@example.org", mail, "later@x.test")
			later.Params.HoldFor = 10 * time.Hour
			l.prepared(later)
			settle()
			if crash {
				l.close()
				l.open()
				l.start()
			}
			time.Sleep(9 * time.Hour)
			settle()
			if all := l.next.all(); len(all) != 0 {
				t.Fatalf("crash %v: sent: %q", crash, all[0].to)
			}
			time.Sleep(2 * time.Hour)
			settle()
			if all := l.next.all(); len(all) != 1 || all[0].id != later.ID {
				t.Errorf("crash %v: %+v", crash, all)
			}
			if items := l.list(); len(items) != 1 || items[0].State != Held || items[0].Hold != "a quota" {
				t.Errorf("crash %v: %+v", crash, items)
			}
		})
	}
}

// TestReleaseKeepsFutureRelease: that an administrator lets a message go does
// not mean before the time that its sender asked for.
func TestReleaseKeepsFutureRelease(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		c := copyOf("a@example.org", mail, "a@x.test")
		c.Queue.Hold, c.Params.HoldFor = "a quota", 10*time.Hour
		l.commit(c)
		time.Sleep(time.Hour)
		if n, err := l.q.Act(t.Context(), Change{Action: Release, Filter: Filter{All: true}}, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(8 * time.Hour)
		settle()
		if len(l.next.all()) != 0 {
			t.Fatal("sent early")
		}
		time.Sleep(2 * time.Hour)
		settle()
		if len(l.next.all()) != 1 {
			t.Error("not sent")
		}
	})
}

// TestProbeThatSaysNothing: where the message that was to find out whether a
// destination is still down cannot be read, or is taken away, another does.
func TestProbeThatSaysNothing(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var first string
		down := true
		l.next.answer = func(j *Job, _ string) Outcome {
			switch {
			case down:
				return away
			case first == "" || j.ID == first:
				first = j.ID
				return Outcome{Local: true, Reply: unread}
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "a@x.test")
		settle()
		l.send("b@example.org", mail, "a@x.test")
		l.send("c@example.org", mail, "a@x.test")
		settle()
		if n, err := l.q.Act(t.Context(), Change{Action: Remove, Filter: Filter{From: "a@example.org"}}, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		l.next.mu.Lock()
		down = false
		l.next.mu.Unlock()
		time.Sleep(3 * time.Hour)
		settle()
		if items := l.list(); len(items) != 1 || items[0].ID != first {
			t.Errorf("%d left", len(items))
		}
	})
}

// TestProbesWhoseRowsHaveGone: buckets are noted for a destination whose rows
// an administrator has removed; the rest is found nevertheless.
func TestProbesWhoseRowsHaveGone(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		down := true
		l.next.answer = func(*Job, string) Outcome {
			if down {
				return away
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "a@x.test")
		settle()
		for i := range 100 {
			l.send(fmt.Sprintf("u@gone%d.test", i), mail, "a@x.test")
		}
		l.send("stays@example.org", mail, "a@x.test")
		settle()
		for i := range 100 {
			f := Filter{From: fmt.Sprintf("u@gone%d.test", i)}
			if n, err := l.q.Act(t.Context(), Change{Action: Remove, Filter: f}, nil); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if n, err := l.q.Act(t.Context(), Change{Action: Hold, Filter: Filter{From: "a@example.org"}}, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		l.next.mu.Lock()
		down = false
		l.next.mu.Unlock()
		time.Sleep(3 * time.Hour)
		settle()
		if items := l.list(); len(items) != 1 || items[0].State != Held {
			t.Errorf("%d left", len(items))
		}
	})
}

// TestManyDestinationsDown: that very many are down costs each of them no more
// than that few are.
func TestManyDestinationsDown(t *testing.T) {
	t.Parallel()
	s := newSched(DefaultOptions())
	const many = 4 * maxIdleDests
	for i := range many {
		d := s.dest(destKey{"out", fmt.Sprint(i)})
		s.failed(d, 1000, reply{})
		d.park(uint32(i))
	}
	if s.swept > 8 {
		t.Errorf("%d sweeps for %d destinations", s.swept, many)
	}
	for _, d := range s.dests {
		s.release(d)
	}
	for i := range many {
		s.dest(destKey{"out", fmt.Sprint("other", i)})
	}
	if len(s.dests) > 2*many {
		t.Errorf("%d destinations are remembered", len(s.dests))
	}
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

// TestMoveThatFails: a message is deferred, or goes, while Compact moves its
// octets; afterwards it is where its row says, whether the move was written or
// not.
func TestMoveThatFails(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, what := range []Result{Deferred, Delivered} {
			in(t, Options{}, func(t *testing.T, l *lab) { moveWhile(t, l, fails, what) })
		}
	}
}

func moveWhile(t *testing.T, l *lab, fails bool, what Result) {
	l.close()
	l.q = nil
	l.open()
	l.blobs.Close()
	files, err := blob.OpenFiles(t.Context(), blob.Options{Dir: l.dir + "/blobs", SegmentSize: 300 << 10}, Live(t.Context(), l.db, nil))
	if err != nil {
		t.Fatal(err)
	}
	l.blobs, l.q.blobs, l.q.notes = files, files, files
	started, end := make(chan struct{}), make(chan struct{})
	l.next.before = func(_ context.Context, j *Job) {
		if j.Destination == "slow.test" && j.Attempt == 1 {
			close(started)
			<-end
		}
	}
	l.next.answer = func(j *Job, _ string) Outcome {
		if j.Destination == "slow.test" && j.Attempt == 1 && what == Deferred {
			return busy
		}
		return delivered
	}
	l.start()
	big := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1000)
	slow := l.send("a@example.org", big, "a@slow.test")
	<-started
	for range 8 {
		l.send("a@example.org", big, "a@quick.test")
	}
	time.Sleep(3 * logTime) // what is tried still has a row by then
	settle()
	write, moving := l.q.write, false
	l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
		if !moving {
			return write(ctx, f)
		}
		moving = false
		close(end) // the outcome comes just now, and is written first if it may
		settle()
		if fails {
			return errors.New("disk full")
		}
		return write(ctx, f)
	}
	moving = true
	_, err = l.blobs.Compact(t.Context(), (*owner)(l.q))
	if moving || fails != (err != nil) {
		t.Fatalf("moving %v, %v", moving, err)
	}
	settle()
	for range 8 { // the segment that has the copy ends
		l.send("a@example.org", big, "a@quick.test")
	}
	settle()
	_, again := l.blobs.Compact(t.Context(), (*owner)(l.q))
	time.Sleep(time.Hour)
	settle()
	n := 0
	for _, g := range l.next.all() {
		if g.id == slow && len(g.to) > 0 {
			n++
		}
	}
	u := l.blobs.Usage()
	if n != 1 || len(l.list()) != 0 || u.Live != 0 || again != nil {
		t.Errorf("fails %v, %v: delivered %d times, %d left, %+v, %v", fails, what, n, len(l.list()), u, again)
	}
	if u.Segments > 1 {
		t.Errorf("fails %v, %v: space is not reclaimed: %+v", fails, what, u)
	}
}

// TestCommitWhoseAnswerIsLost: a message that the client was refused, although
// its rows were written, is taken back.
func TestCommitWhoseAnswerIsLost(t *testing.T) {
	for _, hold := range []string{"", "a quota"} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.start()
			write := l.q.write
			l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
				l.q.write = write
				return errors.Join(write(ctx, f), errors.New("connection lost"))
			}
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

// waiting queues a message that waits for an hour, and returns its bucket.
func (l *lab) waiting() (bucket int64) {
	l.t.Helper()
	c := copyOf("a@example.org", mail, "a@x.test")
	c.Params.HoldFor = time.Hour
	l.commit(c)
	if err := l.db.Read().QueryRow(l.t.Context(), "SELECT bucket FROM queue_waiting").Scan(&bucket); err != nil {
		l.t.Fatal(err)
	}
	return bucket
}

// TestMovedWhileRead: rows that were read before their octets were moved come
// into memory with the new place.
func TestMovedWhileRead(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		bucket := l.waiting()
		w := l.q.watch()
		defer l.q.unwatch(w)
		read := func() *entry {
			list, _, err := l.q.readBucket(uint32(bucket), 10)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			return list[0]
		}
		loaded, claimed := read(), read()
		m := loaded.msg
		moved := []blob.Moved{{Tag: m.tag(), Old: m.ref, New: blob.Ref{Segment: m.ref.Segment + 1, Offset: 8, Size: m.ref.Size}}}
		done, err := (*owner)(l.q).Move(t.Context(), moved)
		if err != nil || len(done) != 1 {
			t.Fatal(done, err)
		}
		time.Sleep(2 * time.Hour)
		l.q.mu.Lock()
		l.q.takeIn(uint32(bucket), []*entry{loaded}, w, 10, false, nil)
		l.q.sched.remove(loaded)
		l.q.discard(loaded)
		l.q.mu.Unlock()
		l.q.claim([]*entry{claimed}, w)
		if loaded.msg.ref != moved[0].New || claimed.msg.ref != moved[0].New {
			t.Errorf("%v, %v", loaded.msg.ref, claimed.msg.ref)
		}
		l.q.discard(claimed)
	})
}

// releases counts what a store is told of.
type releases struct {
	blob.Store
	mu sync.Mutex
	n  map[blob.Ref]int
}

func (r *releases) Release(refs ...blob.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		r.n[ref]++
	}
	r.Store.Release(refs...)
}

// TestReleasedOnce: the octets of a message for several destinations are
// released when the last of them has it, whether outcomes are written together
// or not.
func TestReleasedOnce(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		r := &releases{Store: l.blobs, n: map[blob.Ref]int{}}
		l.q.blobs = r
		l.start()
		l.send("a@example.org", mail, "a@x.test", "b@y.test", "c@z.test")
		settle()
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.Destination == "y.test" && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.send("a@example.org", mail, "a@x.test", "b@y.test", "c@z.test")
		d := l.q.Delivery("out")
		if err := d.Prepare(t.Context(), copyOf("a@example.org", mail, "a@x.test", "b@y.test")); err != nil {
			t.Fatal(err)
		}
		d.Abort()
		time.Sleep(time.Hour)
		settle()
		if len(r.n) != 3 {
			t.Errorf("%d messages released", len(r.n))
		}
		for ref, n := range r.n {
			if n != 1 {
				t.Errorf("%v released %d times", ref, n)
			}
		}
	})
}

// TestGoneWhileRead: rows that were read before they went, or changed, do not
// come into memory: what they say would be done twice.
func TestGoneWhileRead(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		bucket := l.waiting()
		w := l.q.watch()
		defer l.q.unwatch(w)
		list, _, err := l.q.readBucket(uint32(bucket), 10)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		time.Sleep(2 * time.Hour)
		if n, err := l.q.Act(t.Context(), Change{Action: Remove, Filter: Filter{All: true}}, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		l.q.mu.Lock()
		l.q.takeIn(uint32(bucket), list, w, 10, false, nil)
		n := len(l.q.entries)
		l.q.mu.Unlock()
		if mine := l.q.claim(list, w); n != 0 || len(mine) != 0 {
			t.Errorf("%d loaded, %d claimed", n, len(mine))
		}
	})
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
