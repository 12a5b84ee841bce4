package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// writeLock is the advisory lock that makes the Writes of all processes
	// come one after another, as they do in SQLite.
	writeLock = 0x67617075 // "gapu"
	// soleLock is the advisory lock of Options.Sole. The writer's connection
	// has it: who has lost the connection cannot write before it has the lock again.
	soleLock = writeLock + 1
	// A host that vanishes without a word is missed by the server after
	// keepIdle + keepTries*keepEvery seconds, and its locks are free.
	keepIdle, keepEvery, keepTries = 10, 5, 3
	// connectTime bounds a connection's making where the URL does not.
	connectTime = 10 * time.Second
	// maxTexts bounds the texts that are kept translated.
	maxTexts = 4096
	// maxBatch bounds the statements of one journey.
	maxBatch = 1000
)

// postgres is PostgreSQL.
type postgres struct {
	cfg   *pgx.ConnConfig // of readers
	texts sync.Map        // query -> its translation
	kept  atomic.Int64
	own   *tenure
}

// errURL says nothing of the URL, which may hold a password.
var errURL = errors.New("sqldb: the database URL is not understood: write it like postgres://user@host/name?sslmode=verify-full")

func parsePostgres(s string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(s)
	if err != nil {
		return nil, errURL
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTime
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "gapura"
	}
	cfg.StatementCacheCapacity = maxStatements
	return cfg, nil
}

func openPostgres(ctx context.Context, opt Options) (engine, *sql.DB, *sql.DB, error) {
	cfg, err := parsePostgres(opt.URL)
	if err != nil {
		return nil, nil, nil, err
	}
	prepare := prepareWriter
	own := &tenure{}
	if opt.Sole {
		prepare = func(ctx context.Context, c *pgx.Conn) error {
			if err := prepareSole(ctx, c, cmp.Or(opt.wait, busyTimeout)); err != nil {
				return err
			}
			return own.check(ctx, c)
		}
	}
	write := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(orClose(prepare)))
	write.SetMaxOpenConns(1)
	reading := cfg.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	read := stdlib.OpenDB(*reading)
	read.SetMaxOpenConns(opt.Readers)
	read.SetMaxIdleConns(opt.Readers)
	var encoding string
	err = write.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding)
	if err == nil && encoding != "UTF8" {
		err = fmt.Errorf("the encoding of the database is %s, not UTF8", encoding)
	}
	if err == nil {
		err = read.PingContext(ctx)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("sqldb: PostgreSQL: %w", err), read.Close(), write.Close())
	}
	return &postgres{cfg: reading, own: own}, read, write, nil
}

// tenure knows which of the gateways this is that have had the database, one
// after the other, to find out when it is not the last one any more.
type tenure struct {
	number int64 // 0: it has not begun
	tell   atomic.Pointer[func()]
}

// sqlTenure begins a tenure. setval is durable with the transaction, and exact
// after a crash, which nextval is not; a sequence is no table, so that an empty
// database stays empty.
const sqlTenure = `SELECT setval('sqldb_tenure', (SELECT last_value FROM sqldb_tenure) + 1)`

// check is called with every connection that has soleLock.
func (o *tenure) check(ctx context.Context, c *pgx.Conn) error {
	if o.number == 0 {
		if _, err := c.PgConn().Exec(ctx, "CREATE SEQUENCE IF NOT EXISTS sqldb_tenure").ReadAll(); err != nil {
			return err
		}
		return c.QueryRow(ctx, sqlTenure).Scan(&o.number)
	}
	var last int64
	err := c.QueryRow(ctx, "SELECT last_value FROM sqldb_tenure").Scan(&last)
	if err != nil || last == o.number {
		return err
	}
	if f := o.tell.Swap(nil); f != nil {
		(*f)()
	}
	return ErrTaken
}

// orClose closes the connection, and gives up its locks, where prepare fails:
// the driver does not.
func orClose(prepare func(context.Context, *pgx.Conn) error) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		err := prepare(ctx, c)
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			c.Close(ctx)
		}
		return err
	}
}

// prepareWriter makes commits durable, whatever the server's default is, and
// bounds the wait for another process's transaction.
func prepareWriter(ctx context.Context, c *pgx.Conn) error {
	_, err := c.PgConn().Exec(ctx, fmt.Sprintf(`SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SELECT set_config('lock_timeout', '%d', false)`, busyTimeout.Milliseconds())).ReadAll()
	return err
}

// prepareSole takes the lock of Options.Sole, too.
func prepareSole(ctx context.Context, c *pgx.Conn, wait time.Duration) error {
	_, err := c.PgConn().Exec(ctx, fmt.Sprintf(`SELECT set_config('tcp_keepalives_idle', '%d', false), set_config('tcp_keepalives_interval', '%d', false), set_config('tcp_keepalives_count', '%d', false);
SELECT set_config('lock_timeout', '%d', false);
SELECT pg_advisory_lock(%d)`, keepIdle, keepEvery, keepTries, wait.Milliseconds(), soleLock)).ReadAll()
	if err == nil {
		return prepareWriter(ctx, c)
	}
	if code(err) != "55P03" { // lock_not_available
		return err
	}
	who := "another host"
	_ = c.QueryRow(ctx, `SELECT coalesce(host(a.client_addr), 'this host') FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = $1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`, soleLock).Scan(&who)
	return fmt.Errorf("%w, at %s: one database serves one gateway", ErrInUse, who)
}

// raw runs f with the connection below database/sql.
func raw(c *sql.Conn, f func(*pgx.Conn) error) error {
	return c.Raw(func(dc any) error { return f(dc.(*stdlib.Conn).Conn()) })
}

// send runs statements without arguments, as one journey, and returns the last
// one's tag.
func send(ctx context.Context, c *sql.Conn, statements string) (tag string, err error) {
	err = raw(c, func(c *pgx.Conn) error {
		results, err := c.PgConn().Exec(ctx, statements).ReadAll()
		if err == nil && len(results) > 0 {
			tag = results[len(results)-1].CommandTag.String()
		}
		return err
	})
	return tag, err
}

func (p *postgres) translate(query string) string {
	if s, ok := p.texts.Load(query); ok {
		return s.(string)
	}
	s := numbered(query)
	if p.kept.Load() < maxTexts {
		p.kept.Add(1)
		p.texts.Store(query, s)
	}
	return s
}

func (*postgres) script(ctx context.Context, c *sql.Conn, statements string) error {
	_, err := send(ctx, c, postgresDDL(statements))
	return err
}

func (p *postgres) many(ctx context.Context, w *writer, query string, rows [][]any) (n int64, err error) {
	query = p.translate(query)
	for err == nil && len(rows) > 0 {
		part := rows[:min(len(rows), maxBatch)]
		rows = rows[len(part):]
		err = raw(w.conn, func(c *pgx.Conn) error {
			batch := &pgx.Batch{}
			for _, args := range part {
				batch.Queue(query, args...)
			}
			results := c.SendBatch(ctx, batch)
			for range part {
				tag, err := results.Exec()
				if err != nil {
					results.Close()
					return err
				}
				n += tag.RowsAffected()
			}
			return results.Close()
		})
	}
	return n, err
}

func (*postgres) begin(ctx context.Context, w *writer) error {
	_, err := send(ctx, w.conn, fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d)", writeLock))
	return err
}

func (*postgres) commit(ctx context.Context, w *writer) error {
	tag, err := send(ctx, w.conn, "COMMIT")
	if err == nil && tag != "COMMIT" {
		err = errors.New("the transaction was rolled back")
	}
	return err
}

func (*postgres) rollback(ctx context.Context, w *writer) error {
	_, err := send(ctx, w.conn, "ROLLBACK")
	return err
}

func (*postgres) alive(w *writer) (alive bool) {
	err := raw(w.conn, func(c *pgx.Conn) error {
		alive = !c.IsClosed() && c.PgConn().TxStatus() != 'I'
		return nil
	})
	return err == nil && alive
}

func (*postgres) gone(w *writer) bool {
	closed := true
	raw(w.conn, func(c *pgx.Conn) error {
		closed = c.IsClosed()
		return nil
	})
	return closed
}

// prepares: pgx keeps statements itself.
func (*postgres) prepares() bool { return false }
func (*postgres) survives() bool { return false }

func (*postgres) unique(err error) bool { return code(err) == "23505" }

// again: serialization failure, deadlock.
func (*postgres) again(err error) bool { return code(err) == "40001" || code(err) == "40P01" }

func (*postgres) full(err error) bool { return code(err) == "53100" }

func code(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func (*postgres) committed(*writer) {}
func (*postgres) close() error      { return nil }
