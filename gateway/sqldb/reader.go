package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxStatements bounds the statements that are kept prepared, for the writer
// and for the readers each.
const maxStatements = 512

// Reader queries outside Write.
type Reader struct {
	pool *readPool
	tx   *sql.Tx // nil: each query for itself
}

// readPool is the connections that only read.
type readPool struct {
	db  *sql.DB
	eng engine

	closed atomic.Bool
	mu     sync.RWMutex
	stmts  map[string]*sql.Stmt
}

// Read gives queries that see all that was durable when each began.
func (db *DB) Read() *Reader { return &Reader{pool: db.read} }

// View runs f with a Reader whose queries all see the same state.
func (db *DB) View(ctx context.Context, f func(ctx context.Context, r *Reader) error) error {
	tx, err := db.read.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: db.read.isolation()})
	if err != nil {
		if db.read.closed.Load() {
			return ErrClosed
		}
		return fmt.Errorf("sqldb: view: %w", err)
	}
	defer tx.Rollback()
	return f(ctx, &Reader{pool: db.read, tx: tx})
}

// isolation is the level that sees one state; SQLite knows no other.
func (p *readPool) isolation() sql.IsolationLevel {
	if p.eng.prepares() {
		return sql.LevelDefault
	}
	return sql.LevelRepeatableRead
}

// Query runs a query. The Rows hold one of Options.Readers until they are
// closed.
func (r *Reader) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	args, err := arguments(args)
	if err != nil {
		return nil, err
	}
	rows, err := r.query(ctx, query, args)
	if err != nil {
		return nil, r.explain(err)
	}
	return &Rows{rows: rows, wrap: r.explain}, nil
}

// QueryRow runs a query for its first row.
func (r *Reader) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := r.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

func (r *Reader) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	stmt, err := r.pool.prepare(ctx, query, r.tx != nil)
	switch {
	case err != nil:
		return nil, err
	case stmt == nil && r.tx != nil:
		return r.tx.QueryContext(ctx, r.pool.eng.translate(query), args...)
	case stmt == nil:
		return r.pool.db.QueryContext(ctx, r.pool.eng.translate(query), args...)
	case r.tx != nil:
		stmt = r.tx.StmtContext(ctx, stmt)
	}
	return stmt.QueryContext(ctx, args...)
}

func (r *Reader) explain(err error) error {
	if r.pool.closed.Load() {
		return ErrClosed
	}
	return explain(r.pool.eng, err)
}

// prepare gives the statement of a query; nil: it is not kept.
func (p *readPool) prepare(ctx context.Context, query string, inTx bool) (*sql.Stmt, error) {
	if !p.eng.prepares() {
		return nil, nil
	}
	p.mu.RLock()
	stmt, full := p.stmts[query], len(p.stmts) >= maxStatements
	p.mu.RUnlock()
	if stmt != nil || full || inTx { // a View that waited for a second connection could wait for ever
		return stmt, nil
	}
	stmt, err := p.db.PrepareContext(ctx, p.eng.translate(query))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.stmts[query]; first != nil {
		stmt.Close()
		return first, nil
	}
	if p.stmts == nil {
		p.stmts = map[string]*sql.Stmt{}
	}
	p.stmts[query] = stmt
	return stmt, nil
}

func (p *readPool) close() error {
	p.closed.Store(true)
	return p.db.Close()
}
