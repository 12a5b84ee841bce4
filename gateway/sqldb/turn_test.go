package sqldb

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

// TestWriteThatHasBegunIsWaitedFor: when the context ends after the turn of f
// has come, Write tells what became of it, and not that the context ended: what
// is called undone would be done.
func TestWriteThatHasBegunIsWaitedFor(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			err := db.Write(ctx, func(ctx context.Context, tx *Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO t_item (name) SELECT coalesce(max(id), 0) || '' FROM t_item")
				cancel()
				for range 100 {
					runtime.Gosched() // Write would return
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, db, "1 = 1"); n != 20 {
			t.Error(n, "rows")
		}
	})
}

// together has Writes run in one group.
func together(t *testing.T, db *DB, fs ...func(ctx context.Context, tx *Tx) error) []error {
	t.Helper()
	begun, free, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- db.Write(t.Context(), func(context.Context, *Tx) error { close(begun); <-free; return nil })
	}()
	<-begun
	errs := make([]chan error, len(fs))
	for i, f := range fs {
		errs[i] = make(chan error, 1)
		go func() { errs[i] <- db.Write(t.Context(), f) }()
		for len(db.w.queue) < i+1 {
			runtime.Gosched()
		}
	}
	close(free)
	list := make([]error, len(fs))
	for i := range fs {
		list[i] = <-errs[i]
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
	return list
}

// TestLostTransactionIsNotRunAgain: what undoes the whole transaction, a full
// disk for instance, fails the group: it is not run again as if one member
// alone had failed.
func TestLostTransactionIsNotRunAgain(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		runs := 0
		errs := together(t, db, func(ctx context.Context, tx *Tx) error {
			runs++
			_, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('innocent')")
			return err
		}, func(ctx context.Context, tx *Tx) error {
			if _, err := tx.Exec(ctx, "ROLLBACK"); err != nil { // as the database does
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO t_nowhere VALUES (1)")
			return err
		})
		if errs[0] == nil || errs[1] == nil || runs != 1 {
			t.Errorf("%v, %d runs", errs, runs)
		}
		if n := count(t, db, "1 = 1"); n != 0 {
			t.Error(n, "rows")
		}
		if err := add(t.Context(), db, "after"); err != nil {
			t.Error(err)
		}
	})
}

// TestFailureOfOneIsRunAgainWithoutIt is the other side of it.
func TestFailureOfOneIsRunAgainWithoutIt(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		own := errors.New("own")
		errs := together(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('innocent')")
			return err
		}, func(ctx context.Context, tx *Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('guilty')"); err != nil {
				return err
			}
			return own
		})
		if errs[0] != nil || errs[1] != own || count(t, db, "name = 'innocent'") != 1 || count(t, db, "1 = 1") != 1 {
			t.Error(errs)
		}
	})
}

// TestTheWriterDoesTheRestOfACheckpoint: else the log of a busy writer grows for
// ever.
func TestTheWriterDoesTheRestOfACheckpoint(t *testing.T) {
	t.Parallel()
	db := migrated(t, open(t, Options{Dir: t.TempDir()}))
	wal := db.eng.(*lite).wal
	data := make([]byte, 12<<20) // more than checkpointPages
	err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO t_item (name, data) VALUES ('large', ?)", data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !wal.rest.Load(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the writer is not asked")
		}
	}
	if err := add(t.Context(), db, "next"); err != nil {
		t.Fatal(err)
	}
	if err := add(t.Context(), db, "the log begins anew"); err != nil {
		t.Fatal(err)
	}
	var busy, log, done int
	if err := wal.db.QueryRow("PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &done); err != nil || wal.rest.Load() || log > 100 {
		t.Errorf("%v: busy %d, %d pages in the log, %d done", err, busy, log, done)
	}
}
