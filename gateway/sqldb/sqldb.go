package sqldb

import (
	"context"
	"database/sql"
	"errors"
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
}

// DB is an open database. Its methods may be called by many at once.
type DB struct{}

// Open opens the database, and makes it where it is SQLite's and not there. An
// error does not show the URL's password.
func Open(ctx context.Context, opt Options) (*DB, error) { return nil, errors.New("sqldb: not built") }

// Close waits for the Writes that have begun and closes the database.
func (db *DB) Close() error { return nil }

// Migrate brings the tables of a component to the newest version: version n is
// what the first n steps, each one or more statements, have made. Steps never
// change once they are released; new ones are added at the end. Each step is
// one transaction. Several processes may call it at once. An ErrNewer tells
// that there are more steps in the database than in steps.
func (db *DB) Migrate(ctx context.Context, component string, steps []string) error { return nil }

// Write runs f in a transaction and returns when what it did is durable. An
// error of f, or of one of its statements even where f ignores it, undoes what
// f did and is returned.
//
// Many Writes at once share one transaction and one sync, so f must be brief
// and wait for nothing. The Writes of all processes come one after another: f
// sees what all before it have written. f may run more than once; only what its
// last run did counts. A panic in f is returned as an error. f must not call
// Write.
//
// When ctx ends before the turn of f has come, f does not run. Once it has,
// Write waits for the outcome.
func (db *DB) Write(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error { return nil }

// View runs f with a Reader whose queries all see the same state.
func (db *DB) View(ctx context.Context, f func(ctx context.Context, r *Reader) error) error {
	return nil
}

// Read gives queries that see all that was durable when each began.
func (db *DB) Read() *Reader { return &Reader{} }

// Querier is what Tx and Reader have in common.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (*Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *Row
}

// Tx is a transaction, in the hands of one Write. It must not be used after
// that, nor by two goroutines at once. Statements are prepared once for each
// text, so texts should be constants.
//
// Arguments are nil, bool, string, []byte, integers, floats, and types made of
// those. The database keeps no reference to them.
type Tx struct{}

// Exec runs a statement and returns how many rows it wrote.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) { return 0, nil }

// ExecMany runs one statement for each row of arguments, with one journey to
// the database for all of them, and returns how many rows were written.
func (tx *Tx) ExecMany(ctx context.Context, query string, rows [][]any) (int64, error) {
	return 0, nil
}

// Query runs a statement that returns rows; Close the Rows, before the next
// statement of the same Tx.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) { return nil, nil }

// QueryRow runs a statement that returns one row, for instance INSERT ...
// RETURNING.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row { return nil }

// Reader queries outside Write.
type Reader struct{}

// Query runs a query. The Rows hold one of Options.Readers until they are
// closed.
func (r *Reader) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	return nil, nil
}

// QueryRow runs a query for its first row.
func (r *Reader) QueryRow(ctx context.Context, query string, args ...any) *Row { return nil }

// Rows are what a query found.
type Rows struct{}

// Next goes to the next row. False: there is none, or Err.
func (r *Rows) Next() bool { return false }

// Scan copies the columns of the row. Destinations are pointers to the types
// that arguments may have, to any, and sql.Scanner; NULL fits pointers to
// pointers, *[]byte, *any and sql.Null.
func (r *Rows) Scan(dest ...any) error { return nil }

// Err is what ended the rows early.
func (r *Rows) Err() error { return nil }

// Close ends the query. It may be called twice, and after Next was false need
// not be.
func (r *Rows) Close() error { return nil }

// Row is one row, or why there is none.
type Row struct{}

// Scan is Rows.Scan; ErrNoRows says that nothing was found.
func (r *Row) Scan(dest ...any) error { return nil }

// Marks is "?, ?, ?" with n marks, for IN (...).
func Marks(n int) string { return "" }
