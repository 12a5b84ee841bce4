package sqldb

import (
	"context"
	"errors"
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
		if err := tx.QueryRow(ctx, "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = ?", soleLock).Scan(&n); err != nil {
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
	hijack.Close()
	if err := add(t.Context(), db, "again"); err != nil {
		t.Error("the lock is free:", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, sole)
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
