package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// state is how far the index has come.
type state struct {
	event  int64 // the last one that was taken up
	filled int64 // objects up to this one were taken up from the list; -1: all of them
}

// dialect is what SQLite and PostgreSQL say differently.
type dialect struct {
	make  []string // the tables
	begin string   // first statement of a transaction
}

var tables = []string{"search_postings", "search_signs", "search_words", "search_segments", "search_removed", "search_objects", "search_state"}

var sqliteDialect = dialect{make: []string{
	`CREATE TABLE IF NOT EXISTS search_state (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS search_segments (id INTEGER PRIMARY KEY, objects BLOB NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS search_words (segment INTEGER NOT NULL, first BLOB NOT NULL, page INTEGER NOT NULL, tokens BLOB NOT NULL, PRIMARY KEY (segment, first))`,
	`CREATE TABLE IF NOT EXISTS search_postings (segment INTEGER NOT NULL, page INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (segment, page))`,
	`CREATE TABLE IF NOT EXISTS search_signs (segment INTEGER NOT NULL, page INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (segment, page))`,
	`CREATE TABLE IF NOT EXISTS search_removed (object INTEGER PRIMARY KEY)`,
}}

var postgresDialect = dialect{
	make: []string{
		`CREATE TABLE IF NOT EXISTS search_state (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS search_segments (id BIGINT NOT NULL PRIMARY KEY, objects BYTEA NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS search_words (segment BIGINT NOT NULL, first BYTEA NOT NULL, page BIGINT NOT NULL, tokens BYTEA NOT NULL, PRIMARY KEY (segment, first))`,
		`CREATE TABLE IF NOT EXISTS search_postings (segment BIGINT NOT NULL, page BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (segment, page))`,
		`CREATE TABLE IF NOT EXISTS search_signs (segment BIGINT NOT NULL, page BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (segment, page))`,
		`CREATE TABLE IF NOT EXISTS search_removed (object BIGINT NOT NULL PRIMARY KEY)`,
	},
	begin: fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, advisoryLock),
}

// Both databases number arguments like this.
const (
	sqlVersion    = `SELECT value FROM search_state WHERE name = 'version'`
	sqlState      = `SELECT name, value FROM search_state`
	sqlSegments   = `SELECT id, objects FROM search_segments ORDER BY id`
	sqlRemoved    = `SELECT object FROM search_removed`
	sqlAddSegment = `INSERT INTO search_segments (id, objects) VALUES ($1, $2)`
	sqlAddWords   = `INSERT INTO search_words (segment, first, page, tokens) VALUES ($1, $2, $3, $4)`
	sqlAddPosting = `INSERT INTO search_postings (segment, page, data) VALUES ($1, $2, $3)`
	sqlRemove     = `INSERT INTO search_removed (object) VALUES ($1) ON CONFLICT (object) DO NOTHING`
	sqlForget     = `DELETE FROM search_removed WHERE object = $1`
	sqlDrop       = `DELETE FROM search_segments WHERE id = $1`
	sqlDropWords  = `DELETE FROM search_words WHERE segment = $1` + notLive
	sqlDropPosts  = `DELETE FROM search_postings WHERE segment = $1` + notLive
	notLive       = ` AND segment NOT IN (SELECT id FROM search_segments)`
	sqlStrays     = `SELECT DISTINCT segment FROM search_words WHERE segment NOT IN (SELECT id FROM search_segments)
		UNION SELECT DISTINCT segment FROM search_postings WHERE segment NOT IN (SELECT id FROM search_segments)
		UNION SELECT DISTINCT segment FROM search_signs WHERE segment NOT IN (SELECT id FROM search_segments)`
	sqlPage  = `SELECT page, tokens FROM search_words WHERE segment = $1 AND first <= $2 ORDER BY first DESC LIMIT 1`
	sqlPages = `SELECT page, tokens FROM search_words WHERE segment = $1 AND first < $3 AND
		first >= COALESCE((SELECT first FROM search_words WHERE segment = $1 AND first <= $2 ORDER BY first DESC LIMIT 1), $2) ORDER BY first`
	sqlPosting = `SELECT data FROM search_postings WHERE segment = $1 AND page = $2`
)

// advisoryLock makes the processes of one database index one after another.
const advisoryLock = 0x67617073 // "gaps"

// engine keeps segments and state.
type engine struct {
	dialect
	write, read *sql.DB

	// What is live. It is changed by who has the turn, under Index.mu.
	live   []*segment
	next   int64   // a segment's id that was never used
	strays []int64 // segments that are not live, whose pages are to be removed
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
	err = e.write.QueryRowContext(ctx, sqlVersion).Scan(&version)
	if err == sql.ErrNoRows {
		return false, nil
	}
	if err != nil || version != tokensVersion {
		return false, err
	}
	return true, e.load(ctx)
}

// load reads which segments there are, and what an interrupted merge left.
func (e *engine) load(ctx context.Context) error {
	list, err := e.segments(ctx)
	if err != nil {
		return err
	}
	if e.next == 0 {
		if e.strays, err = ids(ctx, e.write, sqlStrays); err != nil {
			return err
		}
	}
	removed, err := ids(ctx, e.write, sqlRemoved)
	if err != nil {
		return err
	}
	e.live = list
	for _, s := range list {
		e.next = max(e.next, s.id)
	}
	for _, id := range e.strays {
		e.next = max(e.next, id)
	}
	e.next++
	e.note(removed)
	return nil
}

func (e *engine) segments(ctx context.Context) (list []*segment, err error) {
	rows, err := e.write.QueryContext(ctx, sqlSegments)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		s := &segment{}
		var b sql.RawBytes
		if err := rows.Scan(&s.id, &b); err != nil {
			return nil, err
		}
		if s.objects, err = decodeObjects(b); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// note counts removed objects.
func (e *engine) note(removed []int64) {
	for _, object := range removed {
		for _, s := range e.live {
			if _, ok := slices.BinarySearch(s.objects, object); ok {
				s.dead++
			}
		}
	}
}

// has returns those objects that a segment has.
func (e *engine) has(objects []int64) (list []int64) {
	for _, object := range objects {
		for _, s := range e.live {
			if _, ok := slices.BinarySearch(s.objects, object); ok {
				list = append(list, object)
				break
			}
		}
	}
	return list
}

// replace has one segment live instead of others.
func (e *engine) replace(old []*segment, fresh *segment) {
	live := slices.DeleteFunc(slices.Clone(e.live), func(s *segment) bool { return slices.Contains(old, s) })
	if len(fresh.objects) > 0 {
		live = append(live, fresh)
		e.strays = slices.DeleteFunc(e.strays, func(id int64) bool { return id == fresh.id })
	}
	e.live = live
	for _, s := range old {
		e.strays = append(e.strays, s.id)
	}
}

// ids reads a list of numbers.
func ids(ctx context.Context, q queryer, query string) (list []int64, err error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// state reads how far the index has come.
func (e *engine) state(ctx context.Context, q queryer) (s state, err error) {
	rows, err := q.QueryContext(ctx, sqlState)
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

// transaction runs f in one.
func (e *engine) transaction(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := e.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if e.begin != "" {
		if _, err := tx.ExecContext(ctx, e.begin); err != nil {
			return err
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

var errOther = errors.New("search: another process was first")

// apply adds what a batch has as a segment, removes objects and sets the
// state, all or nothing. It does nothing when the state is not before any
// more: another process was first.
func (e *engine) apply(ctx context.Context, before, after state, b *batch, removed []int64) (fresh *segment, done bool, err error) {
	id := e.next
	e.next++
	err = e.transaction(ctx, func(tx *sql.Tx) error {
		if s, err := e.state(ctx, tx); err != nil {
			return err
		} else if s != before {
			return errOther
		}
		if len(b.objects) > 0 {
			w := pageWriter{ctx: ctx, tx: tx, segment: id}
			if err := b.write(&w); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, sqlAddSegment, id, encodeObjects(b.objects)); err != nil {
				return err
			}
			fresh = &segment{id: id, objects: b.objects}
		}
		for _, object := range removed {
			if _, err := tx.ExecContext(ctx, sqlRemove, object); err != nil {
				return err
			}
		}
		return e.setState(ctx, tx, after)
	})
	if err == errOther {
		return nil, false, nil
	}
	return fresh, err == nil, err
}

func (e *engine) setState(ctx context.Context, tx *sql.Tx, s state) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO search_state (name, value) VALUES ('event', %d), ('filled', %d), ('version', %d)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, s.event, s.filled, tokensVersion))
	return err
}

// reset makes the index empty and sets the state.
func (e *engine) reset(ctx context.Context, s state) error {
	err := e.transaction(ctx, func(tx *sql.Tx) error {
		for _, name := range tables {
			if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+name); err != nil {
				return err
			}
		}
		for _, q := range e.make {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		return e.setState(ctx, tx, s)
	})
	if err == nil {
		e.live, e.next, e.strays = nil, 1, nil
	}
	return err
}

// dropStrays removes what segments have that are not live.
func (e *engine) dropStrays(ctx context.Context) error {
	for len(e.strays) > 0 {
		if err := e.transaction(ctx, func(tx *sql.Tx) error {
			for _, query := range []string{sqlDropWords, sqlDropPosts, sqlDropSigns} {
				if _, err := tx.ExecContext(ctx, query, e.strays[0]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		e.strays = e.strays[1:]
	}
	return nil
}
