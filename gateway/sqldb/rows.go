package sqldb

import (
	"database/sql"
)

// Rows are what a query found.
type Rows struct {
	rows   *sql.Rows
	wrap   func(error) error // says what an error means, and remembers it
	onDone func()
	done   bool
}

// Next goes to the next row. False: there is none, or Err.
func (r *Rows) Next() bool {
	if r.rows.Next() {
		return true
	}
	r.end()
	return false
}

// end releases what the query held, once.
func (r *Rows) end() {
	if r.done {
		return
	}
	r.done = true
	if err := r.rows.Err(); err != nil {
		r.wrap(err)
	}
	if r.onDone != nil {
		r.onDone()
	}
}

// Scan copies the columns of the row. Destinations are pointers to the types
// that arguments may have, to any, and sql.Scanner; NULL fits pointers to
// pointers, *[]byte, *any and sql.Null.
func (r *Rows) Scan(dest ...any) error {
	if err := r.rows.Scan(dest...); err != nil {
		return r.wrap(err)
	}
	return nil
}

// Err is what ended the rows early.
func (r *Rows) Err() error {
	if err := r.rows.Err(); err != nil {
		return r.wrap(err)
	}
	return nil
}

// Close ends the query. It may be called twice, and after Next was false need
// not be.
func (r *Rows) Close() error {
	err := r.rows.Close()
	r.end()
	if err != nil {
		return r.wrap(err)
	}
	return nil
}

// Row is one row, or why there is none.
type Row struct {
	rows *Rows
	err  error
}

// Scan is Rows.Scan; ErrNoRows says that nothing was found.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close() // an error may come after the row: a failed RETURNING
}
