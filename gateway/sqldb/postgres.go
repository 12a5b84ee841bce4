package sqldb

import (
	"context"
	"database/sql"
	"errors"
)

func parsePostgres(s string) (any, error) { return nil, nil }

func openPostgres(ctx context.Context, opt Options) (engine, *sql.DB, *sql.DB, error) {
	return nil, nil, nil, errors.New("sqldb: PostgreSQL is not built yet")
}
