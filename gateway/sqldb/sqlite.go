package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errBadConn makes database/sql give up a connection.
var errBadConn = driver.ErrBadConn

// fileName is SQLite's file in Options.Dir.
const fileName = "gapura.db"

const (
	busyTimeout = 10 * time.Second // for another process's transaction
	writerCache = 32 << 10         // KiB of pages
	readerCache = 4 << 10
)

// lite is SQLite.
type lite struct{ wal *checkpointer }

func openSQLite(ctx context.Context, opt Options) (engine, *sql.DB, *sql.DB, error) {
	name, err := filepath.Abs(filepath.Join(opt.Dir, fileName))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("sqldb: %w", err)
	}
	fresh, err := createPrivate(name)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("sqldb: %w", err)
	}
	write := liteDB(name, writerCache, 1, "_txlock=immediate")
	read := liteDB(name, readerCache, opt.Readers, "_query_only=1")
	check := liteDB(name, 64, 1)
	fail := func(err error) (engine, *sql.DB, *sql.DB, error) {
		return nil, nil, nil, errors.Join(fmt.Errorf("sqldb: open %s: %w", name, err), write.Close(), read.Close(), check.Close())
	}
	var mode string
	if err := write.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fail(err)
	}
	if mode != "wal" {
		return fail(fmt.Errorf("no write-ahead log here: journal mode %q", mode))
	}
	if err := read.PingContext(ctx); err != nil {
		return fail(err)
	}
	if fresh {
		if err := syncDir(opt.Dir); err != nil {
			return fail(err)
		}
	}
	return &lite{wal: newCheckpointer(check)}, read, write, nil
}

// liteDB configures connections; none is opened yet.
func liteDB(name string, cache, conns int, more ...string) *sql.DB {
	dsn := (&url.URL{Scheme: "file", Path: name}).String() + fmt.Sprintf("?_busy_timeout=%d", busyTimeout.Milliseconds())
	for _, pragma := range []string{
		"synchronous(FULL)", "foreign_keys(1)", "case_sensitive_like(1)", "temp_store(MEMORY)", "wal_autocheckpoint(0)",
		fmt.Sprintf("cache_size(-%d)", cache), fmt.Sprintf("journal_size_limit(%d)", walKept),
	} {
		dsn += "&_pragma=" + pragma
	}
	for _, m := range more {
		dsn += "&" + m
	}
	db := sql.OpenDB(connector{dsn})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// connector opens connections by their DSN.
type connector struct{ dsn string }

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return &sqlite.Driver{} }

// createPrivate makes the file, so that nobody else may read it. A file that is
// there is left alone: to open and close it here would end SQLite's locks.
func createPrivate(name string) (fresh bool, err error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// syncFile makes durable what another has written into a file.
func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (*lite) translate(query string) string { return query }

func (*lite) script(ctx context.Context, c *sql.Conn, statements string) error {
	_, err := c.ExecContext(ctx, statements)
	return err
}

func (*lite) many(ctx context.Context, w *writer, query string, rows [][]any) (n int64, err error) {
	for _, args := range rows {
		k, err := w.exec(ctx, query, args)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

func (*lite) begin(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, "BEGIN IMMEDIATE", nil)
	return err
}

func (*lite) commit(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, "COMMIT", nil)
	return err
}

// rollback also ends what SQLite has ended itself, which is an error then: the
// connection is given up, and a new one begins afresh.
func (*lite) rollback(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, "ROLLBACK", nil)
	return err
}

// alive tells whether the transaction is still open. SQLite tells it by
// refusing to begin another.
func (*lite) alive(w *writer) bool {
	_, err := w.conn.ExecContext(context.Background(), "BEGIN")
	return err != nil
}

func (*lite) gone(*writer) bool { return false }

func (*lite) prepares() bool { return true }
func (*lite) survives() bool { return true }

func (*lite) unique(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

func (*lite) full(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}

// again: SQLite's transactions wait for each other.
func (*lite) again(error) bool { return false }

func (l *lite) committed(w *writer) { l.wal.committed(w) }

func (l *lite) close() error { return l.wal.close() }
