package quota

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestCountsSurviveARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesHour: 5})
		q := open(t, db, opt, nil)
		for range 3 {
			send(t, q, ana, "bob")
		}
		time.Sleep(2 * flushAfter) // a crash: it is not closed
		synctest.Wait()
		again := open(t, db, opt, nil)
		for i := range 3 {
			if r, _ := send(t, again, ana, "bob"); r.IsZero() != (i < 2) {
				t.Errorf("message %d after a crash: %v", i, r)
			}
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		closeAll(t, again, db)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	k := newKnown()
	for i := range 3 * maxKnownInMemory {
		k.add(knownKey{"a", int64(i)})
	}
	if n := len(k.young) + len(k.old); n > 2*maxKnownInMemory || !k.has(knownKey{"a", 3*maxKnownInMemory - 1}) || k.has(knownKey{"a", 1}) {
		t.Errorf("%d recipients are kept", n)
	}
	q := &Quota{senders: map[string]*sender{}}
	for i := range maxSenders {
		q.senders[fmt.Sprint(i)] = &sender{}
	}
	q.evict()
	if n := len(q.senders); n >= maxSenders {
		t.Errorf("%d senders are kept", n)
	}
}

// TestWhoIsForgottenIsReadAnew: nobody is forgotten while its counts are on
// their way, and who had hold of one that was takes the one in its place.
func TestWhoIsForgottenIsReadAnew(t *testing.T) {
	t.Parallel()
	db := database(t)
	q := open(t, db, limited(Limits{MessagesHour: 3}), nil)
	defer closeAll(t, q, db)
	send(t, q, ana, "x")
	x := q.senders["ana@example.org"]
	q.evict() // not written yet
	if q.senders["ana@example.org"] != x {
		t.Error("forgotten with what it has sent")
	}
	if err := q.flush.run(); err != nil {
		t.Fatal(err)
	}
	x.saving = true // another writing is under way
	q.evict()
	if x.gone {
		t.Error("forgotten while it is written")
	}
	x.saved()
	q.evict()
	if !x.gone || q.senders["ana@example.org"] != nil {
		t.Error("not forgotten")
	}
	for range 2 {
		send(t, q, ana, "x")
	}
	if r, _ := send(t, q, ana, "x"); r.Code != 452 {
		t.Errorf("more than the limit: %v", r)
	}
}
