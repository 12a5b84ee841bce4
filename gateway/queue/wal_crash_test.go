package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// crash ends the queue without Close, and opens it again.
func (l *lab) crash() {
	l.fall()
	l.open()
}

// fall ends the queue without Close.
func (l *lab) fall() {
	q := l.q
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
	q.cancel()
	q.wg.Wait()
	q.crew.Leave()
	l.blobs.Close()
	l.db.Close()
}

// TestWhatACrashLeavesIsListed: what is in the log alone is listed before the
// queue is opened again, as it is afterwards; what was done or has a row is not.
func TestWhatACrashLeavesIsListed(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.before = func(ctx context.Context, j *Job) {
			if j.Destination != "done.test" {
				<-ctx.Done()
			}
		}
		l.start()
		l.send("a@example.org", mail, "old@x.test")
		time.Sleep(2 * logTime) // it has a row
		settle()
		l.send("a@example.org", mail, "b@done.test")
		settle()
		l.send("b@example.org", mail, "new@x.test")
		settle()
		l.fall()
		notes := blob.NotesOf(blob.Options{Dir: l.dir + "/blobs"})
		db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: l.dir, URL: sqldbtest.URL(t, l.dir)})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		of := func(f Filter, lists ...func(Filter, func(*Item) error) error) (items []*Item) {
			for _, list := range lists {
				err := list(f, func(it *Item) error {
					items = append(items, it)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			return items
		}
		log := func(f Filter, each func(*Item) error) error {
			return ListLog(t.Context(), db, notes, l.opt, f, each)
		}
		rows := func(f Filter, each func(*Item) error) error { return List(t.Context(), db, l.opt, f, each) }
		left := of(Filter{All: true}, log)
		if len(left) != 1 || left[0].Recipients[0].To != "new@x.test" || left[0].State != Active || left[0].From != "b@example.org" {
			t.Fatalf("%+v", left)
		}
		for _, f := range []Filter{{From: "a@example.org"}, {State: Waiting}, {Domain: "done.test"}} {
			if got := of(f, log); got != nil {
				t.Errorf("%+v: %+v", f, got)
			}
		}
		if err := log(Filter{}, nil); !errors.Is(err, ErrNoFilter) {
			t.Error(err)
		}
		before := of(Filter{All: true}, rows, log)
		if err := Recover(t.Context(), db, notes); err != nil {
			t.Fatal(err)
		}
		after := of(Filter{All: true}, rows, log)
		if len(before) != 2 || !reflect.DeepEqual(before, after) {
			t.Errorf("%+v\n%+v", before, after)
		}
		l.open()
	})
}

// TestDeliveredFromItsRowIsDone: of a message that got a row its note does not
// count any more, whatever has become of the row.
func TestDeliveredFromItsRowIsDone(t *testing.T) {
	for _, c := range []struct {
		name     string
		takes    time.Duration
		attempts int
	}{{"at once", 0, 1}, {"slowly", 2 * logTime, 1}, {"later", 0, 2}, {"slowly and later", 2 * logTime, 2}} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.next.before = func(context.Context, *Job) { time.Sleep(c.takes) }
			l.next.answer = func(j *Job, _ string) Outcome {
				if j.Attempt < c.attempts {
					return busy
				}
				return delivered
			}
			l.start()
			l.send("a@example.org", mail, "b@x.test")
			time.Sleep(c.takes)
			settle()
			if c.attempts > 1 {
				time.Sleep(time.Hour)
				settle()
			}
			if n := len(l.next.all()); n != c.attempts {
				t.Fatalf("%s: %d attempts", c.name, n)
			}
			l.crash()
			l.start()
			time.Sleep(time.Hour)
			settle()
			if n := len(l.next.all()); n != c.attempts || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
				t.Errorf("%s: %d attempts, %+v", c.name, n, l.list())
			}
		})
	}
}

// deaf is a log whose notes are written, and nobody hears of some of them.
type deaf struct {
	blob.Noter
	messages bool // of these it says that they could not be written
	nothing  bool // and that is true
	lost     bool // those that are done are not
}

var errDeaf = errors.New("what was that?")

func (d *deaf) AppendNote(ctx context.Context, tag string, note []byte, size int64, src io.Reader) (blob.Ref, error) {
	if d.nothing {
		return blob.Ref{}, errDeaf
	}
	ref, err := d.Noter.AppendNote(ctx, tag, note, size, src)
	if err == nil && d.messages {
		return ref, errDeaf
	}
	return ref, err
}

func (d *deaf) Note(ctx context.Context, tag string, note []byte) (blob.Ref, error) {
	if d.lost {
		return blob.Ref{}, errDeaf
	}
	return d.Noter.Note(ctx, tag, note)
}

// TestWhatTheLogDoesNotTakeIsInRows: that a message is done, or was never
// accepted, is told by the database where the log cannot.
func TestWhatTheLogDoesNotTakeIsInRows(t *testing.T) {
	for _, refused := range []bool{false, true} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.q.notes = &deaf{Noter: l.q.notes, lost: true, messages: refused}
			l.start()
			c, attempts := copyOf("a@example.org", mail, "b@x.test"), 1
			if refused {
				attempts = 0
			}
			if err := l.q.Submit(t.Context(), c, "out"); (err != nil) != refused {
				t.Fatal(err)
			}
			settle()
			time.Sleep(2 * rewriteTime)
			settle()
			if n := len(l.q.wal.entries); n != 0 {
				t.Errorf("%d in the log", n)
			}
			l.crash()
			l.start()
			time.Sleep(time.Hour)
			settle()
			if n := len(l.next.all()); n != attempts || len(l.list()) != 0 {
				t.Errorf("refused %v: %d attempts, %+v", refused, n, l.list())
			}
		})
	}
}

// TestRefusedIsNotDelivered: a message whose note is there, and to which 250
// was not said, is not sent after a crash.
func TestRefusedIsNotDelivered(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.q.notes = &deaf{Noter: l.q.notes, messages: true}
		l.start()
		if err := l.q.Submit(t.Context(), copyOf("a@example.org", mail, "b@x.test"), "out"); err == nil || !strings.Contains(err.Error(), errDeaf.Error()) {
			t.Fatal(err)
		}
		settle()
		l.crash()
		l.start()
		settle()
		if n := len(l.next.all()); n != 0 || len(l.list()) != 0 {
			t.Errorf("%d attempts", n)
		}
	})
}

// TestATornNoteIsNoRow: octets that were not written to their end are of a
// message to which nobody has said 250.
func TestATornNoteIsNoRow(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		end := l.hanging()
		l.send("a@example.org", strings.Replace(mail, "body", "torn", 1), "b@x.test")
		l.send("a@example.org", mail, "b@y.test")
		settle()
		q := l.q
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
		q.wake()
		q.cancel()
		l.blobs.Close()
		names, err := filepath.Glob(filepath.Join(l.dir, "blobs", "*.blobs"))
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		b, err := os.ReadFile(names[0])
		if err == nil {
			err = os.WriteFile(names[0], bytes.Replace(b, []byte("torn"), make([]byte, 4), 1), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		db := l.db
		l.open()
		if list := l.list(); len(list) != 1 || list[0].Domain != "y.test" {
			t.Errorf("%+v", list)
		}
		close(end)
		q.wg.Wait()
		q.crew.Leave()
		db.Close()
	})
}

// TestManyAreDoneAtOnce: however large their numbers are, each is in a note.
func TestManyAreDoneAtOnce(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var ids []int64
		for i := range int64(3*maxDone + 1) {
			ids = append(ids, 1<<62-i)
		}
		if err := l.q.logDone(ids); err != nil {
			t.Fatal(err)
		}
		found := map[int64]bool{}
		for note, err := range blob.NotesOf(blob.Options{Dir: l.dir + "/blobs"}).From(t.Context(), 0, l.q.newNote()) {
			if err != nil {
				t.Fatal(err)
			}
			for text := note.Text[saltSize:]; len(text) > 0; {
				id, n := binary.Uvarint(text)
				if n <= 0 {
					t.Fatalf("%x", text)
				}
				found[int64(id)] = true
				text = text[n:]
			}
		}
		if len(found) != len(ids) {
			t.Errorf("%d of %d", len(found), len(ids))
		}
	})
}

// TestCloseWritesWhatCouldNotBeWritten: what became of attempts while the
// database was away is on record when it is back in time.
func TestCloseWritesWhatCouldNotBeWritten(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		write, away := l.q.write, false
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			if away {
				return errDeaf
			}
			return write(ctx, f)
		}
		end := l.hanging()
		l.send("a@example.org", mail, "b@x.test", "c@y.test") // of two destinations: it has rows
		settle()
		away = true
		close(end)
		settle()
		if n := len(l.list()); n != 2 {
			t.Fatalf("%d rows", n)
		}
		away = false
		l.close()
		l.open()
		l.start()
		time.Sleep(time.Hour)
		settle()
		if n := len(l.next.all()); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

// timed is a log that tells when a note is durable.
type timed struct {
	blob.Noter
	durable func()
}

func (n *timed) Note(ctx context.Context, tag string, note []byte) (blob.Ref, error) {
	ref, err := n.Noter.Note(ctx, tag, note)
	n.durable()
	return ref, err
}

// TestWhatIsDoneIsSoonOnRecord: what is done is so after the time for company
// and the note's, message after message.
func TestWhatIsDoneIsSoonOnRecord(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var began time.Time
		notes := 0
		l.next.before = func(context.Context, *Job) { began = time.Now() }
		l.q.notes = &timed{l.q.notes, func() {
			notes++
			if took := time.Since(began); took > lazyTime+5*time.Millisecond {
				t.Errorf("note %d was durable after %v", notes, took)
			}
		}}
		l.start()
		for range 5 {
			l.send("a@example.org", mail, "b@x.test")
			settle()
		}
		if notes != 5 {
			t.Errorf("%d notes", notes)
		}
	})
}

// TestManyThatWereRefusedAreForgottenAtOnce: while neither the log nor the
// database takes anything, what must be noted of refused messages is bounded,
// and written by one transaction when it can be; where nothing of a message can
// be in the log there is nothing to note.
func TestManyThatWereRefusedAreForgottenAtOnce(t *testing.T) {
	for _, nothing := range []bool{false, true} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.q.notes = &deaf{Noter: l.q.notes, messages: true, nothing: nothing, lost: true}
			write := l.q.write
			var back atomic.Bool
			var writes atomic.Int64
			l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
				if !back.Load() {
					return errDeaf
				}
				writes.Add(1)
				return write(ctx, f)
			}
			l.start()
			const n = 1000
			for range n {
				if err := l.q.Submit(t.Context(), copyOf("a@example.org", mail, "b@x.test"), "out"); err == nil {
					t.Fatal("promised")
				}
				time.Sleep(10 * time.Millisecond)
			}
			settle()
			want := n
			if nothing {
				want = 0
			}
			toNote := func() (entries, batches int) {
				l.q.mu.Lock()
				defer l.q.mu.Unlock()
				return len(l.q.gone), len(l.q.late)
			}
			if n, k := toNote(); n != want || k > 0 {
				t.Errorf("%d to be noted, and %d batches", n, k)
			}
			back.Store(true)
			time.Sleep(2 * rewriteTime)
			settle()
			var void int
			if err := l.db.Read().QueryRow(t.Context(), `SELECT COUNT(*) FROM queue_void`).Scan(&void); err != nil || void != want {
				t.Errorf("%d are void, %v", void, err)
			}
			if n, _ := toNote(); writes.Load() > 3 || n > 0 {
				t.Errorf("%d transactions, %d left", writes.Load(), n)
			}
		})
	}
}

// TestWhatCouldNotBeWrittenWaitsForNobody: more that cannot be written, again
// and again, does not keep what could not be before from the database.
func TestWhatCouldNotBeWrittenWaitsForNobody(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		log := &deaf{Noter: l.q.notes, lost: true}
		l.q.notes = log
		l.start()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		log.messages = true
		for range 5 * rewriteTime / (100 * time.Millisecond) {
			if err := l.q.Submit(t.Context(), copyOf("a@example.org", mail, "b@x.test"), "out"); err == nil {
				t.Fatal("promised")
			}
			time.Sleep(100 * time.Millisecond)
		}
		l.q.mu.Lock()
		defer l.q.mu.Unlock()
		if n := len(l.q.wal.entries); n > 0 {
			t.Errorf("%d are still not on record", n)
		}
	})
}
