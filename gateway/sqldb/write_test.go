package sqldb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestWriteWhoseTimeIsUpDoesNotRun(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		begun, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
				close(begun)
				<-release
				_, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('first')")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-begun
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if err := add(ctx, db, "late"); err != context.Canceled {
				t.Error(err)
			}
		})
		for len(db.w.queue) == 0 {
			runtime.Gosched()
		}
		cancel()
		close(release)
		wg.Wait()
		if err := add(ctx, db, "later"); err != context.Canceled {
			t.Error(err)
		}
		if n := count(t, db, "name LIKE 'late%'"); n != 0 {
			t.Error(n)
		}
	})
}

// TestContextThatEndsWithinAWrite undoes it.
func TestContextThatEndsWithinAWrite(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Write(ctx, func(ctx context.Context, tx *Tx) error {
			tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('a')")
			cancel()
			tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('b')")
			return nil
		})
		if err != context.Canceled {
			t.Error(err)
		}
		if n := count(t, db, "1 = 1"); n != 0 {
			t.Error(n)
		}
	})
}

func TestMisuseIsAnError(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		var kept *Tx
		db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
			kept = tx
			if err := db.Write(ctx, func(context.Context, *Tx) error { return nil }); err != errNested {
				t.Error(err)
			}
			return nil
		})
		if _, err := kept.Exec(t.Context(), "DELETE FROM t_item"); err != errTxDone {
			t.Error(err)
		}
		for _, name := range []string{"a", "b"} {
			if err := add(t.Context(), db, name); err != nil {
				t.Fatal(err)
			}
		}
		err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
			rows, err := tx.Query(ctx, "SELECT id FROM t_item")
			if err != nil || !rows.Next() {
				t.Error(err)
			}
			_, err = tx.Exec(ctx, "DELETE FROM t_item")
			return err
		})
		if err != errRows {
			t.Error(err)
		}
		if err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
			rows, err := tx.Query(ctx, "SELECT id FROM t_item") // left open
			if err == nil {
				rows.Next()
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		if err := db.Write(t.Context(), func(context.Context, *Tx) error { runtime.Goexit(); return nil }); err != errGoexit {
			t.Error(err)
		}
		if _, err := db.Read().Query(t.Context(), "DELETE FROM t_item"); err == nil {
			t.Error("a Reader wrote")
		}
		if n := count(t, db, "1 = 1"); n != 2 {
			t.Error(n)
		}
	})
}

func TestExecManyWritesAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		rows := make([][]any, 2500)
		for i := range rows {
			rows[i] = []any{fmt.Sprint(i), i%2 == 0, []byte{byte(i)}}
		}
		many := func() error {
			return db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
				n, err := tx.ExecMany(ctx, "INSERT INTO t_item (name, n, data) VALUES (?, ?, ?)", rows)
				if err == nil && n != int64(len(rows)) {
					t.Error(n)
				}
				return err
			})
		}
		if err := many(); err != nil {
			t.Fatal(err)
		}
		if rows[0][1] != true {
			t.Error("the caller's arguments have changed")
		}
		rows[0][0], rows[1][0] = "new", "newer"
		if err := many(); !errors.Is(err, ErrUnique) {
			t.Error(err)
		}
		if n := count(t, db, "n = 1"); n != 1250 {
			t.Error(n)
		}
		if n := count(t, db, "name LIKE 'new%'"); n != 0 {
			t.Error(n)
		}
	})
}

func TestViewSeesOneState(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		query := "SELECT count(*) FROM t_item"
		err := db.View(t.Context(), func(ctx context.Context, r *Reader) error {
			for i := range 3 {
				var n int
				if err := r.QueryRow(ctx, query).Scan(&n); err != nil || n != 0 {
					t.Error(n, err)
				}
				if err := add(ctx, db, fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
				if now := count(t, db, "1 = 1"); now != i+1 {
					t.Errorf("Read sees %d of %d", now, i+1)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestWritersSeeEachOther(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		dbs := []*DB{migrated(t, open()), migrated(t, open())} // as two processes
		if err := add(t.Context(), dbs[0], "counter"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		const each, writers = 10, 8
		for i := range writers {
			wg.Go(func() {
				for range each {
					err := dbs[i%2].Write(t.Context(), func(ctx context.Context, tx *Tx) error {
						var n int
						if err := tx.QueryRow(ctx, "SELECT coalesce(n, 0) FROM t_item WHERE name = 'counter'").Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, "UPDATE t_item SET n = ? WHERE name = 'counter'", n+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := count(t, dbs[0], "n = ?", each*writers); n != 1 {
			t.Error("updates are lost")
		}
	})
}

func TestClosedDBSaysSo(t *testing.T) {
	each(t, func(t *testing.T, open func() *DB) {
		db := migrated(t, open())
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := add(t.Context(), db, fmt.Sprint(i)); err != nil && err != ErrClosed {
					t.Error(err)
				}
			})
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := add(t.Context(), db, "x"); err != ErrClosed {
			t.Error(err)
		}
		if err := db.Read().QueryRow(t.Context(), "SELECT 1").Scan(new(int)); err != ErrClosed {
			t.Error(err)
		}
		if err := db.View(t.Context(), func(context.Context, *Reader) error { return nil }); err != ErrClosed {
			t.Error(err)
		}
	})
}

func TestURLsErrorsShowNoSecrets(t *testing.T) {
	const secret = "5tr1ctly"
	for _, url := range []string{
		"postgres://u:" + secret + "@127.0.0.1:1/db?sslmode=disable&connect_timeout=1",
		"postgres://u:" + secret + "@127.0.0.1:x/db", "postgres://u:" + secret + "%zz@h/db", "postgres://u@h/db?password=" + secret + "&sslmode=nonsense",
		"mysql://u:" + secret + "@h/db", secret, "postgres://u:" + secret + "@[::1/db",
	} {
		db, err := Open(t.Context(), Options{URL: url})
		if err == nil {
			db.Close()
			t.Errorf("%s: no error", url)
			continue
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestDDLIsTranslated(t *testing.T) {
	for in, want := range map[string]string{
		"CREATE TABLE a (k INTEGER PRIMARY KEY, v text DEFAULT 'INTEGER ) x', b BLOB) STRICT, WITHOUT ROWID; CREATE INDEX i ON a (v)": `CREATE TABLE a (k BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v TEXT COLLATE "C" DEFAULT 'INTEGER ) x', b BYTEA); CREATE INDEX i ON a (v)`,
		"create table a (k integer  primary key autoincrement, n INTEGER)":                                                            `create table a (k BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n BIGINT)`,
		"CREATE TABLE a (k INTEGER, PRIMARY KEY (k))":                                                                                 "CREATE TABLE a (k BIGINT, PRIMARY KEY (k))",
		"ALTER TABLE a ADD COLUMN x REAL; UPDATE a SET x = CAST(k AS TEXT)":                                                           "ALTER TABLE a ADD COLUMN x DOUBLE PRECISION; UPDATE a SET x = CAST(k AS TEXT)",
		"CREATE TABLE a (k TEXT) -- INTEGER":                                                                                          `CREATE TABLE a (k TEXT COLLATE "C")`,
	} {
		if got := postgresDDL(in); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
	if got := numbered("SELECT '?', \"?\", ? -- ?\n, ? /* ? */"); got != "SELECT '?', \"?\", $1 -- ?\n, $2 /* ? */" {
		t.Error(got)
	}
}
