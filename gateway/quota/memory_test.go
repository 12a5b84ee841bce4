package quota

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
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

// TestADaySurvivesARestart to its end, and the deletion of old counts.
func TestADaySurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesDay: 2})
		q := open(t, db, opt, nil)
		send(t, q, ana, "bob")
		time.Sleep(23 * time.Hour)
		send(t, q, ana, "bob")
		time.Sleep(90 * time.Minute)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		q = open(t, db, opt, nil)
		defer closeAll(t, q, db)
		if r, _ := send(t, q, ana, "bob"); r.IsZero() {
			t.Error("a third message within the hours that count")
		}
		time.Sleep(time.Hour)
		if r, _ := send(t, q, ana, "bob"); !r.IsZero() {
			t.Errorf("a day later: %v", r)
		}
	})
}

// TestWhatIsNotWrittenIsTriedAgain, though its five minutes are over by then.
func TestWhatIsNotWrittenIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesHour: 1, NewDay: 1})
		q := open(t, db, opt, nil)
		rename := func(from, to string) {
			t.Helper()
			err := db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, "ALTER TABLE "+from+" RENAME TO "+to)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(hourSlot - flushAfter/2)
		send(t, q, ana, "bob")
		rename("quota_use", "elsewhere")
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		rename("elsewhere", "quota_use")
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		q = open(t, db, opt, nil)
		defer closeAll(t, q, db)
		if r, _ := send(t, q, ana, "bob"); r.IsZero() {
			t.Error("what was counted is forgotten")
		}
		time.Sleep(2 * time.Hour)
		if r, _ := send(t, q, ana, "bob"); !r.IsZero() {
			t.Errorf("to whom it wrote is forgotten: %v", r)
		}
	})
}

// TestAResetHoldsThroughARestart: counts that were on their way to the
// database when an administrator reset them do not come back.
func TestAResetHoldsThroughARestart(t *testing.T) {
	t.Parallel()
	db := database(t)
	opt := limited(Limits{MessagesHour: 1})
	q := open(t, db, opt, nil)
	admin, err := NewAdmin(t.Context(), opt, db)
	if err != nil {
		t.Fatal(err)
	}
	send(t, q, ana, "bob")
	if err := errors.Join(admin.Reset(t.Context(), "ana@example.org"), q.flush.run(), q.Sync(t.Context()), q.Close()); err != nil {
		t.Fatal(err)
	}
	q = open(t, db, opt, nil)
	defer closeAll(t, q, db)
	if r, _ := send(t, q, ana, "bob"); !r.IsZero() {
		t.Error(r)
	}
}

func TestTheLatestRecipientsAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		q := open(t, db, limited(Limits{NewDay: 1}), nil)
		defer closeAll(t, q, db)
		for from := range int64(3) {
			list := make([]int64, maxKnown/2)
			for i := range list {
				list[i] = from*maxKnown + int64(i)
			}
			q.remember("ana@example.org", list)
			if err := q.flush.run(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		var n, first int64
		err := db.Read().QueryRow(t.Context(), "SELECT COUNT(*), MIN(recipient) FROM quota_known").Scan(&n, &first)
		if err != nil || n != maxKnown || first != maxKnown {
			t.Errorf("%d are kept, from %d on: %v", n, first, err)
		}
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
	got := make(chan *sender)
	x.mu.Lock()
	go func() {
		y, err := q.sender(t.Context(), x.subject)
		if err != nil {
			t.Error(err)
		}
		y.mu.Unlock()
		got <- y
	}()
	for range 1000 { // until it waits for x
		runtime.Gosched()
	}
	q.mu.Lock()
	x.gone = true
	delete(q.senders, x.subject)
	q.mu.Unlock()
	x.mu.Unlock()
	if y := <-got; y == x {
		t.Error("one that was forgotten is counted for")
	} else {
		x = y
	}
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
