package sqldb

import (
	"context"
	"fmt"
)

// versionTables say which version the tables of each component have, and which
// steps have made it: whoever has the rows can make the tables anew.
const versionTables = `
CREATE TABLE IF NOT EXISTS sqldb_versions (component TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sqldb_steps (component TEXT NOT NULL, version INTEGER NOT NULL, step TEXT NOT NULL, PRIMARY KEY (component, version)) STRICT`

// keepSteps notes the steps of a component.
func (db *DB) keepSteps(ctx context.Context, component string, steps []string) error {
	n := 0
	if err := db.Read().QueryRow(ctx, "SELECT count(*) FROM sqldb_steps WHERE component = ?", component).Scan(&n); err != nil || n >= len(steps) {
		return err
	}
	return db.Write(ctx, func(ctx context.Context, tx *Tx) error {
		for i, step := range steps {
			if _, err := tx.Exec(ctx, "INSERT INTO sqldb_steps VALUES (?, ?, ?) ON CONFLICT (component, version) DO NOTHING", component, i+1, step); err != nil {
				return err
			}
		}
		return nil
	})
}

// Migrate brings the tables of a component to the newest version: version n is
// what the first n steps, each one or more statements, have made. Steps never
// change once they are released; new ones are added at the end. Each step is
// one transaction. Several processes may call it at once. An ErrNewer tells
// that there are more steps in the database than in steps.
func (db *DB) Migrate(ctx context.Context, component string, steps []string) error {
	err := db.Write(ctx, func(ctx context.Context, tx *Tx) error {
		return tx.w.eng.script(tx.ctx, tx.w.conn, versionTables)
	})
	if err == nil {
		err = db.keepSteps(ctx, component, steps)
	}
	for more := true; more && err == nil; {
		err = db.Write(ctx, func(ctx context.Context, tx *Tx) (err error) {
			more, err = tx.step(ctx, component, steps)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("sqldb: tables of %s: %w", component, err)
	}
	return nil
}

// step makes the next version and tells whether there are more.
func (tx *Tx) step(ctx context.Context, component string, steps []string) (more bool, err error) {
	version := 0
	err = tx.QueryRow(ctx, "SELECT version FROM sqldb_versions WHERE component = ?", component).Scan(&version)
	switch {
	case err != nil && err != ErrNoRows:
		return false, err
	case version > len(steps):
		return false, fmt.Errorf("%w: version %d, this program knows %d", ErrNewer, version, len(steps))
	case version == len(steps):
		return false, nil
	}
	tx.dirty = true
	if err := tx.w.eng.script(tx.ctx, tx.w.conn, steps[version]); err != nil {
		return false, tx.fail(fmt.Errorf("step %d: %w", version+1, err))
	}
	_, err = tx.Exec(ctx, "INSERT INTO sqldb_versions VALUES (?, ?) ON CONFLICT (component) DO UPDATE SET version = excluded.version", component, version+1)
	return version+1 < len(steps), err
}
