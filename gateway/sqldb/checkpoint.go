package sqldb

import (
	"context"
	"database/sql"
	"sync/atomic"

	"modernc.org/sqlite"
)

const (
	// checkpointPages written to the log set off a checkpoint: 8 MiB.
	checkpointPages = 2048
	// walKept octets of the log's file stay when it begins anew: writing over
	// them is cheaper than growing the file.
	walKept = 64 << 20
)

// checkpointer moves pages from SQLite's log into its database, beside the
// writer: SQLite's own way is to do it in a commit, which then takes long. A
// checkpoint beside a busy writer never reaches the end of the log, which would
// grow for ever; so the writer does the rest, which is short by then, itself.
type checkpointer struct {
	db    *sql.DB
	wake  chan struct{}
	ended chan struct{}
	rest  atomic.Bool // the writer is to do the rest
	pages int         // that the writer had written at the last one
}

func newCheckpointer(db *sql.DB) *checkpointer {
	c := &checkpointer{db: db, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go c.loop()
	return c
}

func (c *checkpointer) close() error {
	close(c.wake)
	<-c.ended
	return c.db.Close()
}

func (c *checkpointer) loop() {
	defer close(c.ended)
	for range c.wake {
		// The second pass is for what was written during the first.
		for range 2 {
			c.db.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)") // an error: the next one may work
		}
		c.rest.Store(true)
	}
}

// committed runs in the writer after each commit.
func (c *checkpointer) committed(w *writer) {
	if c.rest.CompareAndSwap(true, false) {
		w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
		c.pages = written(w.conn)
		return
	}
	if n := written(w.conn); n < c.pages { // another connection
		c.pages = n
	} else if n-c.pages >= checkpointPages {
		c.pages = n
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// written counts the pages that a connection has written.
func written(conn *sql.Conn) (n int) {
	conn.Raw(func(dc any) (err error) {
		if s, ok := dc.(sqlite.DBStatus); ok {
			n, _, err = s.Status(sqlite.DBStatusCacheWrite, false)
		}
		return err
	})
	return n
}
