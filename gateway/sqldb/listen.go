package sqldb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Shared tells whether other processes may write to the database as well; of
// SQLite it is taken that none does.
func (db *DB) Shared() bool { return !db.eng.prepares() }

// sqlNotify is sent with the transaction that it is in.
const sqlNotify = `SELECT CAST(pg_notify(?, ?) AS TEXT)`

// Notify tells all processes that listen to a channel, this one included, once
// the transaction is durable. It does nothing where the database is not Shared.
// payload has less than 8000 octets.
func (tx *Tx) Notify(ctx context.Context, channel, payload string) error {
	if tx.w.eng.prepares() {
		return nil
	}
	var none string
	return tx.QueryRow(ctx, sqlNotify, channel, payload).Scan(&none)
}

// Listen calls f with what Notify sends to a channel, until ctx ends or the
// connection is lost. ready is called once it listens: what is sent from then
// on arrives. Where the database is not Shared it only waits for ctx.
func (db *DB) Listen(ctx context.Context, channel string, ready func(), f func(payload string)) error {
	p, ok := db.eng.(*postgres)
	if !ok {
		ready()
		<-ctx.Done()
		return ctx.Err()
	}
	c, err := pgx.ConnectConfig(ctx, p.cfg.Copy())
	if err != nil {
		return fmt.Errorf("sqldb: listen: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("sqldb: listen: %w", err)
	}
	ready()
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("sqldb: listen: %w", err)
		}
		f(n.Payload)
	}
}
