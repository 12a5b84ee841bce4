package sqldb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotEmpty wraps Load's refusal to overwrite.
var ErrNotEmpty = errors.New("sqldb: the database is not empty")

// copyRows is how many rows are copied in one transaction.
const copyRows = 2000

// Snapshot writes all rows, as they are at one moment, to a new SQLite file
// gapura.db in the folder dir, whichever database this is. Others may write
// meanwhile. Of PostgreSQL the components in skip are left out; an error leaves
// a file that is not whole.
func (db *DB) Snapshot(ctx context.Context, dir string, skip ...string) (err error) {
	name := filepath.Join(dir, fileName)
	fresh, err := createPrivate(name)
	switch {
	case err != nil:
		return fmt.Errorf("sqldb: snapshot: %w", err)
	case !fresh:
		return fmt.Errorf("sqldb: snapshot: %s is there already", name)
	}
	if _, ok := db.eng.(*lite); ok {
		return db.vacuumInto(ctx, name)
	}
	to, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return db.View(ctx, func(ctx context.Context, r *Reader) error { return copyAll(ctx, r, to, skip) })
}

// Load fills this database, which must be empty, with the rows of a Snapshot in
// the folder dir. An error leaves it half full.
func (db *DB) Load(ctx context.Context, dir string) (err error) {
	tables, err := db.tables(ctx)
	if err != nil {
		return err
	}
	if len(tables) > 0 {
		return fmt.Errorf("%w: it has the table %s", ErrNotEmpty, tables[0])
	}
	from, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return from.View(ctx, func(ctx context.Context, r *Reader) error { return copyAll(ctx, r, db, nil) })
}

// vacuumInto has SQLite make the copy; it reads under a lock that keeps nobody
// from writing.
func (db *DB) vacuumInto(ctx context.Context, name string) error {
	c, err := db.read.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqldb: snapshot: %w", err)
	}
	defer c.Close()
	// A reader's connection may not write, not even into another file.
	if _, err := c.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return fmt.Errorf("sqldb: snapshot: %w", err)
	}
	_, err = c.ExecContext(ctx, "VACUUM INTO ?", name)
	if _, e := c.ExecContext(context.WithoutCancel(ctx), "PRAGMA query_only = 1"); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("sqldb: snapshot: %w", err)
	}
	return syncFile(name)
}

// tables lists the tables of all components, those of sqldb first.
func (db *DB) tables(ctx context.Context) ([]string, error) { return listTables(ctx, db.Read()) }

func listTables(ctx context.Context, r *Reader) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`
	if _, ok := r.pool.eng.(*postgres); ok {
		query = `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name COLLATE "C"`
	}
	return Column[string](r.Query(ctx, query))
}

// copyAll makes the tables of r in to and fills them.
func copyAll(ctx context.Context, r *Reader, to *DB, skip []string) error {
	versions, steps, err := readSteps(ctx, r)
	if err != nil {
		return err
	}
	for component, version := range versions {
		if slices.Contains(skip, component) {
			continue
		}
		if len(steps[component]) < version {
			return fmt.Errorf("sqldb: how the tables of %s were made is not on record; start this version of the gateway once", component)
		}
		if err := to.Migrate(ctx, component, steps[component][:version]); err != nil {
			return err
		}
	}
	made, err := to.tables(ctx)
	if err != nil {
		return err
	}
	have, err := listTables(ctx, r)
	if err != nil {
		return err
	}
	for _, table := range made {
		if strings.HasPrefix(table, "sqldb_") || !slices.Contains(have, table) {
			continue
		}
		if err := copyTable(ctx, r, to, table); err != nil {
			return fmt.Errorf("sqldb: copy %s: %w", table, err)
		}
	}
	return nil
}

// readSteps reads how the tables were made.
func readSteps(ctx context.Context, r *Reader) (versions map[string]int, steps map[string][]string, err error) {
	versions, steps = map[string]int{}, map[string][]string{}
	rows, err := r.Query(ctx, "SELECT component, version FROM sqldb_versions")
	err = Each(rows, err, func(r *Rows) error {
		var component string
		var version int
		err := r.Scan(&component, &version)
		versions[component] = version
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	rows, err = r.Query(ctx, "SELECT component, step FROM sqldb_steps ORDER BY component, version")
	err = Each(rows, err, func(r *Rows) error {
		var component, step string
		err := r.Scan(&component, &step)
		steps[component] = append(steps[component], step)
		return err
	})
	return versions, steps, err
}

// copyTable copies the rows of a table, whose columns are the same on both
// sides, in the same order.
func copyTable(ctx context.Context, r *Reader, to *DB, table string) error {
	rows, err := r.Query(ctx, `SELECT * FROM "`+table+`"`)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.rows.Columns()
	if err != nil {
		return err
	}
	// Steps of the migration may have filled it.
	err = to.Write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM "`+table+`"`)
		return err
	})
	if err != nil {
		return err
	}
	insert := `INSERT INTO "` + table + `" ("` + strings.Join(columns, `", "`) + `") VALUES (` + Marks(len(columns)) + ")"
	for more := true; more; {
		var batch [][]any
		for len(batch) < copyRows {
			if more = rows.Next(); !more {
				break
			}
			row := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			batch = append(batch, row)
		}
		err := to.Write(ctx, func(ctx context.Context, tx *Tx) error {
			_, err := tx.ExecMany(ctx, insert, batch)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return to.numberFrom(ctx, table)
}

// numberFrom has PostgreSQL number new rows behind those that were copied with
// their numbers; SQLite does so by itself.
func (db *DB) numberFrom(ctx context.Context, table string) error {
	if _, ok := db.eng.(*postgres); !ok {
		return nil
	}
	var column string
	err := db.Read().QueryRow(ctx, `SELECT column_name::text FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = ? AND is_identity = 'YES'`, table).Scan(&column)
	if errors.Is(err, ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return db.Write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence('"`+table+`"', '`+column+`'), COALESCE((SELECT MAX("`+column+`") FROM "`+table+`"), 0) + 1, false)`)
		return err
	})
}
