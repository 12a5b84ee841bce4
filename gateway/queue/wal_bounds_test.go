package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// hanging lets no attempt end before end is closed.
func (l *lab) hanging() (end chan struct{}) {
	end = make(chan struct{})
	l.next.before = func(context.Context, *Job) { <-end }
	l.start()
	return end
}

// only is the one entry in the log.
func (l *lab) only() (e *entry) {
	l.t.Helper()
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	for _, e = range l.q.wal.entries {
	}
	if len(l.q.wal.entries) != 1 {
		l.t.Fatalf("%d in the log", len(l.q.wal.entries))
	}
	return e
}

// TestWhatIsNotLogged: what has no place in the log needs rows at once.
func TestWhatIsNotLogged(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		entries, err := l.q.entriesOf(copyOf("a@x.test", mail, "b@y.test"), "out")
		if err != nil {
			t.Fatal(err)
		}
		entries[0].fresh = true
		two := append(entries, entries...)
		note := func() bool { return l.q.noteOf(entries, 100, false) != nil }
		if note() {
			t.Error("logged before anything is sent")
		}
		l.start()
		if !note() || l.q.noteOf(entries, maxLoggedSize, false) == nil {
			t.Error("not logged")
		}
		if l.q.noteOf(entries, 100, true) != nil || l.q.noteOf(two, 100, false) != nil || l.q.noteOf(entries, -1, false) != nil {
			t.Error("logged: prepared, for two destinations, or of unknown size")
		}
		if l.q.noteOf(entries, maxLoggedSize+1, false) != nil {
			t.Error("logged: a large one")
		}
		set := func(f func()) {
			l.q.mu.Lock()
			defer l.q.mu.Unlock()
			f()
		}
		set(func() { l.q.paused = true })
		if note() {
			t.Error("logged while the database takes nothing")
		}
		set(func() {
			l.q.paused = false
			for i := range int64(maxLogged) {
				l.q.wal.entries[i] = nil
			}
		})
		if note() {
			t.Error("more logged than may be")
		}
		set(func() { clear(l.q.wal.entries) })
		entries[0].fresh = false
		if note() {
			t.Error("logged: one that waits")
		}
		entries[0].fresh = true
		entries[0].rcpts[0].params.OriginalAddress = strings.Repeat("x", maxOriginal)
		entries[0].msg.params.EnvelopeID = strings.Repeat("x", maxEnvelopeID)
		if note() {
			t.Error("logged: more than a note holds")
		}
	})
}

// TestWhatSettlesHoldsTheFloor: until what became of a message is on record
// its note counts. What is running in a segment that is full gets a row at once.
func TestWhatSettlesHoldsTheFloor(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		end := l.hanging()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		e, q := l.only(), l.q
		segment := q.refOf(e.msg).Segment
		q.mu.Lock()
		q.wal.last = segment + 5
		e.state = settling
		q.mu.Unlock()
		q.trimLog(false)
		q.mu.Lock()
		if q.wal.asked > segment {
			t.Errorf("the floor is %d, a message in %d is not settled", q.wal.asked, segment)
		}
		e.state = running
		q.mu.Unlock()
		if n := len(l.list()); n != 0 {
			t.Errorf("%d rows of what settles", n)
		}
		q.trimLog(false)
		time.Sleep(maxLazyTime)
		settle()
		if n := len(l.list()); n != 1 {
			t.Errorf("%d rows of what is in a full segment", n)
		}
		close(end)
		settle()
		time.Sleep(3 * logTime)
		if n := len(l.list()); n != 0 || l.blobs.Usage().Live != 0 {
			t.Errorf("%d rows left", n)
		}
	})
}

// TestBehindTheFloorARowIsMade: a note that will not be read is none, nor one
// that nobody would look at any more.
func TestBehindTheFloorARowIsMade(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		end := l.hanging()
		l.q.mu.Lock()
		l.q.wal.asked = 1 << 62
		l.q.mu.Unlock()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		void := -1
		if err := l.db.Read().QueryRow(t.Context(), `SELECT COUNT(*) FROM queue_void`).Scan(&void); err != nil {
			t.Fatal(err)
		}
		if n := len(l.list()); n != 1 || void != 1 || len(l.q.wal.entries) != 0 {
			t.Errorf("%d rows, %d void, %d in the log", n, void, len(l.q.wal.entries))
		}
		close(end)
		settle()
		l.q.mu.Lock()
		l.q.wal.asked = 0
		l.q.closed = true
		l.q.mu.Unlock()
		entries, err := l.q.entriesOf(copyOf("a@x.test", mail, "b@y.test"), "out")
		if err != nil || l.q.logged(entries[0]) {
			t.Error("logged when the queue is closed", err)
		}
		l.q.mu.Lock()
		l.q.closed = false
		l.q.mu.Unlock()
	})
}

// TestALogThatIsNotEmptyStays: whatever Close could not make rows of is there
// at the next start.
func TestALogThatIsNotEmptyStays(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		end := l.hanging()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		l.only()
		l.q.endLog()
		if salt, _, err := readLog(t.Context(), l.db); err != nil || salt != l.q.salt {
			t.Errorf("notes count no more: %x, %v", salt, err)
		}
		close(end)
	})
}

// TestNotesAreHeldFromTheStart: also before the floor is first raised, what is
// done keeps the note that says so.
func TestNotesAreHeldFromTheStart(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.close()
		var err error
		if l.db, err = sqldb.Open(t.Context(), sqldb.Options{Dir: l.dir}); err != nil {
			t.Fatal(err)
		}
		if l.blobs, err = blob.OpenFiles(t.Context(), blob.Options{Dir: "b", FS: blobtest.New(), SegmentSize: 4 << 10}, nil); err != nil {
			t.Fatal(err)
		}
		if l.q, err = Open(t.Context(), l.opt, l.deps()); err != nil {
			t.Fatal(err)
		}
		l.start()
		for i := range 20 {
			l.send("a@example.org", mail+strings.Repeat("x\r\n", 300), fmt.Sprintf("b@d%d.test", i))
			settle()
		}
		if u := l.blobs.Usage(); u.Segments < 5 || u.Live != 0 {
			t.Errorf("%+v", u)
		}
		time.Sleep(time.Minute)
		settle()
		l.send("a@example.org", mail, "b@x.test")
		time.Sleep(3 * logTime)
		settle()
		if u := l.blobs.Usage(); u.Segments > 2 {
			t.Errorf("%+v after a while", u)
		}
	})
}

// TestADatabaseThatIsAwayIsTold: also where all mail leaves without it.
func TestADatabaseThatIsAwayIsTold(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var told strings.Builder
		l.q.log = slog.New(slog.NewTextHandler(&told, nil))
		write, away := l.q.write, true
		l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
			if away {
				return errors.New("no such disk")
			}
			return write(ctx, f)
		}
		end := l.hanging()
		l.send("a@example.org", mail, "b@x.test")
		time.Sleep(3 * logTime)
		settle()
		if !strings.Contains(told.String(), "no such disk") {
			t.Errorf("%q", told.String())
		}
		away = false
		close(end)
	})
}
