package sqldb

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// rowsOf reads a table whole.
func rowsOf(t *testing.T, db *DB) (list []string) {
	t.Helper()
	rows, err := db.Read().Query(t.Context(), "SELECT id, name, octets, ratio FROM copy_item ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var name string
		var octets []byte
		var ratio *float64
		if err := rows.Scan(&id, &name, &octets, &ratio); err != nil {
			t.Fatal(err)
		}
		r := "null"
		if ratio != nil {
			r = fmt.Sprint(*ratio)
		}
		list = append(list, fmt.Sprintf("%d %s %x %s", id, name, octets, r))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

var copySteps = []string{
	`CREATE TABLE copy_item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, octets BLOB NOT NULL, ratio REAL) STRICT`,
	`CREATE INDEX copy_item_name ON copy_item (name); CREATE TABLE copy_other (a TEXT NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
	INSERT INTO copy_other VALUES ('made by a step', 7)`,
}

// TestSnapshotLoads takes a snapshot of each database and loads it into each.
func TestSnapshotLoads(t *testing.T) {
	t.Parallel()
	for _, from := range []bool{false, true} {
		for _, to := range []bool{false, true} {
			t.Run(fmt.Sprintf("postgres=%v to postgres=%v", from, to), func(t *testing.T) {
				t.Parallel()
				snapshotLoads(t, from, to)
			})
		}
	}
}

func database(t *testing.T, pg bool) *DB {
	t.Helper()
	if pg {
		return open(t, Options{URL: sqldbtest.Postgres(t)})
	}
	return open(t, Options{Dir: t.TempDir()})
}

func snapshotLoads(t *testing.T, from, to bool) {
	ctx := t.Context()
	src := database(t, from)
	if err := src.Migrate(ctx, "copy", copySteps); err != nil {
		t.Fatal(err)
	}
	err := src.Write(ctx, func(ctx context.Context, tx *Tx) error {
		for i := range copyRows + 10 {
			var ratio any = float64(i) / 2
			if i%3 == 0 {
				ratio = nil
			}
			if _, err := tx.Exec(ctx, "INSERT INTO copy_item (name, octets, ratio) VALUES (?, ?, ?)", fmt.Sprint("näme ", i), []byte{0, byte(i), 255}, ratio); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO copy_other VALUES ('x', 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := src.Snapshot(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if err := src.Snapshot(ctx, dir); err == nil {
		t.Error("a snapshot overwrites another")
	}
	dst := database(t, to)
	if err := dst.Load(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if want, got := fmt.Sprint(rowsOf(t, src)), fmt.Sprint(rowsOf(t, dst)); want != got {
		t.Error("the rows are not the same")
	}
	if err := dst.Migrate(ctx, "copy", copySteps); err != nil {
		t.Error(err)
	}
	err = dst.Write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO copy_item (name, octets) VALUES ('new', ?)", []byte("x"))
		return err
	})
	if n := len(rowsOf(t, dst)); err != nil || n != copyRows+11 {
		t.Error(n, err)
	}
	if err := dst.Load(ctx, dir); !errors.Is(err, ErrNotEmpty) {
		t.Error(err)
	}
}
