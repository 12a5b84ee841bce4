package queue

import (
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
)

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
			list, _, err := l.q.readBucket(uint32(bucket), &entry{}, 10)
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

// TestGoneWhileRead: rows that were read before they went, or changed, do not
// come into memory: what they say would be done twice.
func TestGoneWhileRead(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		bucket := l.waiting()
		w := l.q.watch()
		defer l.q.unwatch(w)
		list, _, err := l.q.readBucket(uint32(bucket), &entry{}, 10)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		time.Sleep(2 * time.Hour)
		l.act(Remove, Filter{All: true})
		l.q.mu.Lock()
		l.q.takeIn(uint32(bucket), list, w, 10, false, nil)
		n := len(l.q.entries)
		l.q.mu.Unlock()
		if mine := l.q.claim(list, w); n != 0 || len(mine) != 0 {
			t.Errorf("%d loaded, %d claimed", n, len(mine))
		}
	})
}
