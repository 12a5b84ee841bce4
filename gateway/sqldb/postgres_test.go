package sqldb

import (
	"context"
	"testing"

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
