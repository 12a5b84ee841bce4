package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

var (
	errTxDone = errors.New("sqldb: the Tx is used after its Write")
	errRows   = errors.New("sqldb: Rows of the same Tx are still open")
	errNested = errors.New("sqldb: Write within Write")
)

// Tx is a transaction, in the hands of one Write. It must not be used after
// that, nor by two goroutines at once. Statements are prepared once for each
// text, so texts should be constants.
//
// Arguments are nil, bool, string, []byte, integers, floats, and types made of
// those. The database keeps no reference to them.
type Tx struct {
	w      *writer
	ctx    context.Context // of the statements: the group's, not the member's
	failed error           // the first statement's that failed
	rows   *Rows           // open
	dirty  bool            // something may have been written
	over   bool
}

// Exec runs a statement and returns how many rows it wrote.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	args, err := tx.ready(ctx, args)
	if err != nil {
		return 0, err
	}
	n, err := tx.w.exec(tx.ctx, query, args)
	if err != nil {
		return 0, tx.fail(err)
	}
	if n > 0 || !counts(query) {
		tx.dirty = true
	}
	return n, nil
}

// ExecMany runs one statement for each row of arguments, with one journey to
// the database for all of them, and returns how many rows were written.
func (tx *Tx) ExecMany(ctx context.Context, query string, rows [][]any) (int64, error) {
	good := rows
	for i := range rows {
		args, err := tx.ready(ctx, rows[i])
		if err != nil {
			return 0, err
		}
		if len(args) > 0 && &args[0] != &rows[i][0] {
			if &good[0] == &rows[0] {
				good = append([][]any(nil), rows...)
			}
			good[i] = args
		}
	}
	if len(rows) == 0 {
		return 0, nil
	}
	tx.dirty = true
	n, err := tx.w.eng.many(tx.ctx, tx.w, query, good)
	if err != nil {
		return 0, tx.fail(err)
	}
	return n, nil
}

// Query runs a statement that returns rows; Close the Rows before the next
// statement of the same Tx.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	args, err := tx.ready(ctx, args)
	if err != nil {
		return nil, err
	}
	if !startsWith(query, "select") {
		tx.dirty = true
	}
	rows, err := tx.w.query(tx.ctx, query, args)
	if err != nil {
		return nil, tx.fail(err)
	}
	tx.rows = &Rows{rows: rows, wrap: tx.fail, onDone: func() { tx.rows = nil }}
	return tx.rows, nil
}

// QueryRow runs a statement that returns one row, for instance INSERT ...
// RETURNING.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := tx.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// ready says whether a statement may run now.
func (tx *Tx) ready(ctx context.Context, args []any) ([]any, error) {
	switch {
	case tx.over:
		return nil, errTxDone
	case tx.failed != nil:
		return nil, tx.failed
	case tx.rows != nil:
		return nil, tx.fail(errRows)
	}
	if err := ctx.Err(); err != nil {
		return nil, tx.fail(err)
	}
	args, err := arguments(args)
	if err != nil {
		return nil, tx.fail(err)
	}
	return args, nil
}

// fail remembers the first error, which dooms the Write.
func (tx *Tx) fail(err error) error {
	err = explain(tx.w.eng, err)
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// end ends what f has left open.
func (tx *Tx) end() {
	if tx.rows != nil {
		tx.rows.Close()
	}
	tx.over = true
}

func explain(eng engine, err error) error {
	switch {
	case errors.Is(err, ErrUnique), errors.Is(err, syscall.ENOSPC), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case eng.unique(err):
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case eng.full(err): // what files say
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	case errors.Is(err, sql.ErrConnDone):
		return ErrClosed
	}
	return err
}

// counts tells whether the number of rows tells that nothing was written.
func counts(query string) bool {
	return startsWith(query, "insert") || startsWith(query, "update") || startsWith(query, "delete")
}

func startsWith(query, word string) bool {
	query = strings.TrimLeft(query, " \t\r\n")
	return len(query) >= len(word) && strings.EqualFold(query[:len(word)], word)
}
