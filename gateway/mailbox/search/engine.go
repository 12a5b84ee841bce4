package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// change is what is done to one object: its tokens are kept, or it goes.
type change struct {
	object int64
	remove bool
	tokens string
}

// state is how far the index has come.
type state struct {
	event  int64 // the last one that was taken up
	filled int64 // objects up to this one were taken up from the list; -1: all of them
}

// dialect is what SQLite and PostgreSQL say differently.
type dialect struct {
	make    []string // the tables
	drop    []string
	put     string // object, tokens
	remove  string // object
	match   string // expression
	begin   string // first statement of a transaction
	or, and string // between tokens
	not     string // between what is wanted and what is not
}

var sqliteDialect = dialect{
	make: []string{
		`CREATE TABLE IF NOT EXISTS search_state (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID`,
		`CREATE VIRTUAL TABLE IF NOT EXISTS search_objects USING fts5(tokens, content='', contentless_delete=1, detail=none, tokenize='ascii')`,
		// A transaction's tokens are one segment: fewer to merge.
		`INSERT INTO search_objects (search_objects, rank) VALUES ('hashsize', 16777216)`,
	},
	put:    `INSERT OR REPLACE INTO search_objects (rowid, tokens) VALUES (?, ?)`,
	remove: `DELETE FROM search_objects WHERE rowid = ?`,
	match:  `SELECT group_concat(rowid, ' ') FROM search_objects WHERE search_objects MATCH ?`,
	or:     " OR ", and: " AND ", not: " NOT ",
}

var postgresDialect = dialect{
	make: []string{
		`CREATE TABLE IF NOT EXISTS search_state (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS search_objects (object BIGINT NOT NULL PRIMARY KEY, tokens TSVECTOR NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS search_objects_tokens ON search_objects USING GIN (tokens)`,
	},
	drop:   []string{`DROP TABLE IF EXISTS search_objects`, `DROP TABLE IF EXISTS search_state`},
	put:    `INSERT INTO search_objects (object, tokens) VALUES ($1, $2::text::tsvector) ON CONFLICT (object) DO UPDATE SET tokens = excluded.tokens`,
	remove: `DELETE FROM search_objects WHERE object = $1`,
	match:  `SELECT string_agg(object::text, ' ') FROM search_objects WHERE tokens @@ $1::text::tsquery`,
	begin:  fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, advisoryLock),
	or:     " | ", and: " & ", not: " & !",
}

// advisoryLock makes the processes of one database index one after another.
const advisoryLock = 0x67617073 // "gaps"

// engine keeps tokens and state.
type engine struct {
	dialect
	write, read *sql.DB
}

func (e *engine) close() error {
	if e.read == e.write {
		return e.write.Close()
	}
	return errors.Join(e.read.Close(), e.write.Close())
}

// prepare makes the tables and tells whether what is in them can be used.
func (e *engine) prepare(ctx context.Context) (usable bool, err error) {
	for _, s := range e.make {
		if _, err := e.write.ExecContext(ctx, s); err != nil {
			return false, err
		}
	}
	var version int64
	err = e.write.QueryRowContext(ctx, `SELECT value FROM search_state WHERE name = 'version'`).Scan(&version)
	if err == sql.ErrNoRows {
		return false, nil
	}
	return version == gramsVersion, err
}

// state reads how far the index has come.
func (e *engine) state(ctx context.Context, q queryer) (s state, err error) {
	rows, err := q.QueryContext(ctx, `SELECT name, value FROM search_state`)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value int64
		if err := rows.Scan(&name, &value); err != nil {
			return s, err
		}
		switch name {
		case "event":
			s.event = value
		case "filled":
			s.filled = value
		}
	}
	return s, rows.Err()
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// apply does changes and sets the state, all or nothing. It does nothing when
// the state is not before any more: another process was first.
func (e *engine) apply(ctx context.Context, before, after state, changes []change) (done bool, err error) {
	tx, err := e.write.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if e.begin != "" {
		if _, err := tx.ExecContext(ctx, e.begin); err != nil {
			return false, err
		}
	}
	if s, err := e.state(ctx, tx); err != nil || s != before {
		return false, err
	}
	put, err := tx.PrepareContext(ctx, e.put)
	if err != nil {
		return false, err
	}
	defer put.Close()
	for _, c := range changes {
		if c.remove {
			_, err = tx.ExecContext(ctx, e.remove, c.object)
		} else {
			_, err = put.ExecContext(ctx, c.object, c.tokens)
		}
		if err != nil {
			return false, err
		}
	}
	if err := e.setState(ctx, tx, after); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

func (e *engine) setState(ctx context.Context, tx *sql.Tx, s state) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO search_state (name, value) VALUES ('event', %d), ('filled', %d), ('version', %d)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, s.event, s.filled, gramsVersion))
	return err
}

// reset makes the index empty and sets the state, on PostgreSQL.
func (e *engine) reset(ctx context.Context, s state) error {
	tx, err := e.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, list := range [][]string{e.drop, e.make} {
		for _, q := range list {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err
			}
		}
	}
	if err := e.setState(ctx, tx, s); err != nil {
		return err
	}
	return tx.Commit()
}

// allOf finds the objects that have all of the grams, or everything, but none
// of the words.
func (e *engine) allOf(grams, words []string) string {
	s := "((" + strings.Join(grams, e.and) + ")" + e.or + everything + ")"
	if len(words) > 0 {
		s += e.not + "(" + e.anyOf(words) + ")"
	}
	return s
}

func (e *engine) anyOf(tokens []string) string { return strings.Join(tokens, e.or) }

// matching calls f with the objects that an expression finds. They come as one
// text: a row each costs several times as much.
func (e *engine) matching(ctx context.Context, expression string, f func(object int64)) error {
	var list sql.RawBytes
	rows, err := e.read.QueryContext(ctx, e.match, expression)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&list); err != nil {
			return err
		}
		for n, i := int64(0), 0; i < len(list); i++ {
			if c := list[i]; c >= '0' && c <= '9' {
				n = n*10 + int64(c-'0')
			}
			if i == len(list)-1 || list[i] == ' ' {
				f(n)
				n = 0
			}
		}
	}
	return rows.Err()
}
