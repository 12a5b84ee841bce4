package sqldb

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestLostConnectionIsReplaced ends the connections, as a restart of the server
// does.
func TestLostConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	url := sqldbtest.Postgres(t)
	db, other := migrated(t, open(t, Options{URL: url})), open(t, Options{URL: url})
	if err := add(t.Context(), db, "before"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := other.Read().QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&n); err != nil || n < 2 {
		t.Fatal(n, err)
	}
	if err := add(t.Context(), db, "after"); err != nil {
		t.Error(err)
	}
	for try := 0; ; try++ { // each reader may find its connection gone once
		err := db.Read().QueryRow(t.Context(), "SELECT count(*) FROM t_item").Scan(&n)
		if err == nil {
			break
		}
		if try > defaultReaders {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Error(n)
	}
}

// here restricts pg_locks to the test's own database.
const here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"

// TestSoleKeepsOtherGatewaysAway is about two hosts with one database.
func TestSoleKeepsOtherGatewaysAway(t *testing.T) {
	t.Parallel()
	url := sqldbtest.Postgres(t)
	sole := Options{URL: url, Sole: true, wait: 50 * time.Millisecond}
	db := migrated(t, open(t, sole))
	command := open(t, Options{URL: url})
	if err := add(t.Context(), command, "a command's"); err != nil {
		t.Error("commands may work beside a gateway:", err)
	}
	if db, err := Open(t.Context(), sole); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "at this host") {
		t.Error("a second gateway:", db, err)
	}
	// The connection is lost, and another gateway is quicker.
	var n int
	hijack := open(t, Options{URL: url})
	err := hijack.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
		if err := tx.QueryRow(ctx, "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = ? AND "+here, soleLock).Scan(&n); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT 1 FROM (SELECT pg_advisory_lock(?)) AS x", soleLock).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := add(t.Context(), db, "of the first, still"); !errors.Is(err, ErrInUse) {
		t.Error("it writes without the lock:", err)
	}
	connections := func() (n int) {
		if err := command.Read().QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close what is forgotten, some time
	before := connections()
	for range 5 {
		if err := add(t.Context(), db, "still"); !errors.Is(err, ErrInUse) {
			t.Error(err)
		}
	}
	for end := time.Now().Add(time.Minute); connections() > before; { // the server notices a little later
		if time.Now().After(end) {
			t.Fatalf("%d connections before, %d after five that were of no use", before, connections())
		}
	}
	free := func() { // some time after its holder has gone
		t.Helper()
		for n, end := 1, time.Now().Add(time.Minute); n > 0; {
			if err := command.Read().QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = ? AND "+here, soleLock).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(end) {
				t.Fatal("the lock is never free")
			}
		}
	}
	hijack.Close()
	free()
	if err := add(t.Context(), db, "again"); err != nil {
		t.Error("the lock is free:", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	free()
	open(t, sole)
}

// TestWhoWasReplacedBeginsAnew: another gateway has had the database while this
// one's connection was lost, and is gone again. What this one has in memory, the
// next number of a row for instance, is not true any more.
func TestWhoWasReplacedBeginsAnew(t *testing.T) {
	t.Parallel()
	url := sqldbtest.Postgres(t)
	sole := Options{URL: url, Sole: true, wait: time.Minute} // a server frees the lock of who has gone when it can
	db := migrated(t, open(t, sole))
	lose := func() {
		t.Helper()
		var pid int
		if err := db.Read().QueryRow(t.Context(), "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = ? AND "+here, soleLock).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		for n := 1; n > 0; {
			if err := db.Read().QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ?", pid).Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
	}
	told := 0
	db.WhenTaken(func() { told++ })
	lose()
	if err := add(t.Context(), db, "nobody was there meanwhile"); err != nil || told != 0 {
		t.Fatal(err, told)
	}
	lose()
	if err := open(t, sole).Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := add(t.Context(), db, "by what it remembers"); !errors.Is(err, ErrTaken) || told != 1 {
			t.Error(err, told)
		}
	}
	if err := add(t.Context(), open(t, sole), "by what it has read"); err != nil {
		t.Error(err)
	}
}

func TestTransactionThatIsNotSerializedRunsAgain(t *testing.T) {
	t.Parallel()
	db := migrated(t, open(t, Options{URL: sqldbtest.Postgres(t)}))
	runs := 0
	err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('x')"); err != nil {
			return err
		}
		if runs++; runs < 3 {
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$")
			return err
		}
		return nil
	})
	if err != nil || runs != 3 || count(t, db, "name = 'x'") != 1 {
		t.Error(runs, err)
	}
}

// TestHurriedWritesEndWhereTheDatabaseHangs, so that a gateway can be stopped
// then: what runs, and at once what comes after it. A database that answers does
// all of them.
func TestHurriedWritesEndWhereTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	db := migrated(t, open(t, Options{URL: sqldbtest.Postgres(t)}))
	hangs, hung := make(chan struct{}), make(chan error)
	go func() {
		hung <- db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
			close(hangs)
			_, err := tx.Exec(ctx, "SELECT pg_sleep(600)")
			return err
		})
	}()
	<-hangs
	start := time.Now()
	db.Hurry(100 * time.Millisecond)
	if err := <-hung; err == nil {
		t.Error("it did not hang")
	}
	for range 50 {
		if err := add(t.Context(), db, "later"); err == nil {
			t.Error("written by a database that hangs")
		}
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	other := migrated(t, open(t, Options{URL: sqldbtest.Postgres(t)}))
	other.Hurry(10 * time.Second)
	for _, name := range []string{"a", "b", "c"} {
		if err := add(t.Context(), other, name); err != nil {
			t.Error(err)
		}
	}
}
