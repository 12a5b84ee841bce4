package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// each runs a test over both databases.
func each(t *testing.T, f func(t *testing.T, open func() *DB)) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		f(t, func() *DB { return open(t, Options{Dir: dir, URL: url}) })
	})
}

func open(t testing.TB, opt Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

const schema = `
CREATE TABLE t_item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INTEGER, x REAL, data BLOB) STRICT;
CREATE INDEX t_item_n ON t_item (n) WHERE n IS NOT NULL`

func migrated(t testing.TB, db *DB) *DB {
	t.Helper()
	if err := db.Migrate(t.Context(), "t", []string{schema}); err != nil {
		t.Fatal(err)
	}
	return db
}

func add(ctx context.Context, db *DB, name string) error {
	return db.Write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES (?)", name)
		return err
	})
}

func count(t testing.TB, db *DB, where string, args ...any) (n int) {
	t.Helper()
	if err := db.Read().QueryRow(t.Context(), "SELECT count(*) FROM t_item WHERE "+where, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		type label string
		var id int64
		err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
			if n, err := tx.Exec(ctx, "INSERT INTO t_item (name, n, x, data) VALUES (?, ?, ?, ?)", label("a"), true, 2.5, []byte{0, 255}); err != nil || n != 1 {
				t.Error(n, err)
			}
			return tx.QueryRow(ctx, "INSERT INTO t_item (name, n, data) VALUES (?, ?, ?) RETURNING id", "b'?", nil, []byte(nil)).Scan(&id)
		})
		if err != nil || id == 0 {
			t.Fatal(id, err)
		}
		var (
			name string
			n    sql.Null[int64]
			yes  bool
			x    *float64
			data []byte
		)
		r := db.Read()
		if err := r.QueryRow(t.Context(), "SELECT name, n, x, data FROM t_item WHERE name = 'a' AND name <> '?' AND n = ?", 1).Scan(&name, &yes, &x, &data); err != nil {
			t.Fatal(err)
		}
		if name != "a" || !yes || x == nil || *x != 2.5 || string(data) != "\x00\xff" {
			t.Error(name, yes, x, data)
		}
		if err := r.QueryRow(t.Context(), "SELECT n, x, data FROM t_item WHERE id = ?", id).Scan(&n, &x, &data); err != nil {
			t.Fatal(err)
		}
		if n.Valid || x != nil || data != nil {
			t.Error(n, x, data)
		}
		if err := r.QueryRow(t.Context(), "SELECT n FROM t_item WHERE id = ?", -1).Scan(&n); err != ErrNoRows {
			t.Error(err)
		}
	})
}

func TestDialectsAgree(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		for _, name := range []string{"b", "B", "a", "Z", "é", "_"} {
			if err := add(t.Context(), db, name); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := db.Read().Query(t.Context(), "SELECT name FROM t_item WHERE name IN ("+Marks(6)+") ORDER BY name", "b", "B", "a", "Z", "é", "_")
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			got += s
		}
		if err := rows.Err(); err != nil || got != "BZ_abé" {
			t.Error(got, err)
		}
		if n := count(t, db, "name LIKE 'B%'"); n != 1 {
			t.Errorf("LIKE 'B%%' found %d", n)
		}
		for _, bad := range []string{"\xff", "a\x00b"} {
			if err := add(t.Context(), db, bad); !errors.Is(err, errText) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

func TestFailedWriteUndoesOnlyItself(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		const n = 200
		var wg sync.WaitGroup
		var runs atomic.Int64
		own := errors.New("own")
		for i := range n {
			wg.Go(func() {
				err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
					runs.Add(1)
					if _, err := tx.Exec(ctx, "INSERT INTO t_item (name, n) VALUES (?, ?)", fmt.Sprint("x", i), i); err != nil {
						return err
					}
					switch i % 10 {
					case 3:
						return own
					case 5:
						tx.Exec(ctx, "INSERT INTO t_item (name) VALUES (?)", fmt.Sprint("x", i)) // its error is ignored
					case 7:
						panic("at the disco")
					}
					return nil
				})
				switch i % 10 {
				case 3:
					if err != own {
						t.Error(i, err)
					}
				case 5:
					if !errors.Is(err, ErrUnique) {
						t.Error(i, err)
					}
				case 7:
					if err == nil || !strings.Contains(err.Error(), "disco") {
						t.Error(i, err)
					}
				default:
					if err != nil {
						t.Error(i, err)
					}
				}
			})
		}
		wg.Wait()
		if got := count(t, db, "n % 10 IN (3, 5, 7)"); got != 0 {
			t.Errorf("%d rows of failed writes", got)
		}
		if got := count(t, db, "n % 10 NOT IN (3, 5, 7)"); got != n*7/10 {
			t.Errorf("%d rows of good writes", got)
		}
		t.Log(runs.Load(), "runs of", n)
	})
}

func TestIDStays(t *testing.T) {
	ids := map[string]bool{}
	var mu sync.Mutex
	each(t, func(t *testing.T, open func() *DB) {
		a, b := open(), open()
		id, err := a.ID(t.Context())
		if err != nil || len(id) < 20 {
			t.Fatal(id, err)
		}
		if again, err := b.ID(t.Context()); again != id || err != nil {
			t.Error(id, again, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if ids[id] {
			t.Error("two databases, one id")
		}
		ids[id] = true
	})
}

func TestMigrateGoesForwardOnly(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		steps := []string{schema, "ALTER TABLE t_item ADD COLUMN more TEXT", "UPDATE t_item SET more = 'x;y'; CREATE TABLE t_b (k INTEGER) STRICT"}
		if err := db.Migrate(t.Context(), "t", steps); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context(), "t", steps); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "more IS NULL"); n != 0 {
			t.Error(n)
		}
		if err := db.Migrate(t.Context(), "t", steps[:2]); !errors.Is(err, ErrNewer) {
			t.Error(err)
		}
		bad := append(steps, "CREATE TABLE t_c (k INTEGER) STRICT; INSERT INTO t_nowhere VALUES (1)")
		if err := db.Migrate(t.Context(), "t", bad); err == nil {
			t.Error("a step with an error")
		}
		if err := db.Migrate(t.Context(), "t", append(steps, "CREATE TABLE t_c (k INTEGER) STRICT")); err != nil {
			t.Error("what a failed step did is still there:", err)
		}
	})
}
