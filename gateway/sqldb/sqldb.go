package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrNoRows is what a QueryRow of nothing scans.
	ErrNoRows = sql.ErrNoRows
	// ErrClosed is what a closed DB says.
	ErrClosed = errors.New("sqldb: closed")
	// ErrUnique wraps the violation of a UNIQUE or PRIMARY KEY constraint.
	ErrUnique = errors.New("sqldb: not unique")
	// ErrNewer wraps Migrate's refusal of tables that a later version made.
	ErrNewer = errors.New("sqldb: the database is newer than this program")
	// ErrInUse wraps that another process has the database open as the only
	// one.
	ErrInUse = errors.New("sqldb: in use by another gateway")
	// ErrTaken is what Write says when another that is Sole has had the
	// database while the connection was lost: what is in memory is not true
	// any more.
	ErrTaken = errors.New("sqldb: another gateway has used the database meanwhile; this one must begin anew")
)

// Options say which database.
type Options struct {
	// URL is "sqlite" (the default), or postgres://user@host/name?options as
	// libpq reads it.
	URL string
	// Dir is the folder of SQLite's gapura.db; it must exist.
	Dir string
	// Readers bounds queries at once outside Write; 0: 8.
	Readers int
	// Sole is for the gateway itself, which plans what is to be done from what
	// it has in memory: no other that is Sole may have the same PostgreSQL database
	// open, on whatever host. Open waits a little for one that ends, then says
	// ErrInUse; so does Write, where another has taken over while the
	// connection was lost. Commands that only change rows are not Sole. SQLite's file needs no such thing: whoever runs a
	// gateway locks its folder.
	Sole bool

	// wait is how long Sole waits; 0: busyTimeout.
	wait time.Duration
}

// defaultReaders is enough to keep a few cores busy.
const defaultReaders = 8

// CheckURL tells whether Open understands Options.URL. The error does not show
// it, since it may hold a password.
func CheckURL(s string) error {
	if s == "" || s == "sqlite" {
		return nil
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("sqldb: the database is neither sqlite nor a URL postgres://user@host/name")
	}
	_, err := parsePostgres(s)
	return err
}

// engine is what differs between the databases.
type engine interface {
	// translate turns a statement with `?` into the engine's own SQL.
	translate(query string) string
	// script runs the statements of a migration step on the writer.
	script(ctx context.Context, c *sql.Conn, statements string) error
	// many runs query for each row of arguments, as one journey.
	many(ctx context.Context, w *writer, query string, rows [][]any) (int64, error)
	// begin, commit and rollback frame what a group of Writes does.
	begin(ctx context.Context, w *writer) error
	commit(ctx context.Context, w *writer) error
	rollback(ctx context.Context, w *writer) error
	// prepares: statements are worth keeping with sql.Stmt; the driver does
	// not do it itself.
	prepares() bool
	// alive tells whether the transaction is still open after an error.
	alive(w *writer) bool
	// gone tells whether the connection is lost.
	gone(w *writer) bool
	// survives: after a failed statement the transaction goes on.
	survives() bool
	// unique, again, full: what an error means. Again says that the whole
	// transaction may succeed when it is run again, full that the disk is.
	unique(err error) bool
	again(err error) bool
	full(err error) bool
	// committed is called after each commit, with no transaction open.
	committed(w *writer)
	close() error
}

// DB is an open database. Its methods may be called by many at once.
type DB struct {
	eng     engine
	read    *readPool
	w       *writer
	closing sync.Once
	err     error
}

// Open opens the database, and makes it where it is SQLite's and not there. An
// error does not show the URL's password.
func Open(ctx context.Context, opt Options) (*DB, error) {
	if err := CheckURL(opt.URL); err != nil {
		return nil, err
	}
	if opt.Readers <= 0 {
		opt.Readers = defaultReaders
	}
	open := openSQLite
	if strings.HasPrefix(opt.URL, "postgres") {
		open = openPostgres
	}
	eng, readDB, writeDB, err := open(ctx, opt)
	if err != nil {
		return nil, err
	}
	db := &DB{eng: eng, read: &readPool{db: readDB, eng: eng}, w: newWriter(writeDB, eng)}
	return db, nil
}

// WhenTaken has f called as soon as Write says ErrTaken, which it then does for
// ever.
func (db *DB) WhenTaken(f func()) {
	if p, ok := db.eng.(*postgres); ok {
		p.own.tell.Store(&f)
	}
}

// Hurry is for shutdown: a Write that a server's database does not do within d
// fails, and with the first such all others at once. Where it hangs, each of
// those who still want to write would else wait in vain for half a minute.
func (db *DB) Hurry(d time.Duration) { db.w.hurry(d) }

// Close waits for the Writes that have begun and closes the database.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.w.close()
		db.err = errors.Join(db.eng.close(), db.read.close(), db.w.db.Close())
		if db.err != nil {
			db.err = fmt.Errorf("sqldb: close: %w", db.err)
		}
	})
	return db.err
}

// Querier is what Tx and Reader have in common.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (*Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *Row
}

var (
	_ Querier = (*Tx)(nil)
	_ Querier = (*Reader)(nil)
)
