package sqldb

import (
	"context"
	"crypto/rand"
	"fmt"
)

// ID returns a name that this database got when it was first asked for, and
// keeps: other stores that belong to its rows can tell it from others.
func (db *DB) ID(ctx context.Context) (id string, err error) {
	if err := db.Migrate(ctx, "sqldb", []string{"CREATE TABLE sqldb_identity (one INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL) STRICT"}); err != nil {
		return "", err
	}
	err = db.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO sqldb_identity VALUES (1, ?) ON CONFLICT DO NOTHING", rand.Text()); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT id FROM sqldb_identity").Scan(&id)
	})
	if err != nil {
		return "", fmt.Errorf("sqldb: identity: %w", err)
	}
	return id, nil
}
