package queue

import (
	"context"
	"fmt"
	"iter"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// far stands for a time that does not come, in rows.
const far int64 = maxTime

// steps are the tables' migrations.
var steps = []string{`
CREATE TABLE queue_new (
	id INTEGER PRIMARY KEY,
	prepared INTEGER NOT NULL,
	segment INTEGER NOT NULL,
	start INTEGER NOT NULL,
	size INTEGER NOT NULL,
	data BLOB NOT NULL
);
CREATE TABLE queue_waiting (
	id INTEGER PRIMARY KEY,
	bucket INTEGER NOT NULL,
	due INTEGER NOT NULL,
	alarm INTEGER NOT NULL,
	held INTEGER NOT NULL,
	queued INTEGER NOT NULL,
	segment INTEGER NOT NULL,
	start INTEGER NOT NULL,
	size INTEGER NOT NULL,
	trace TEXT NOT NULL,
	route TEXT NOT NULL,
	domain TEXT NOT NULL,
	data BLOB NOT NULL
);
CREATE INDEX queue_waiting_due ON queue_waiting (bucket, due);
CREATE INDEX queue_waiting_alarm ON queue_waiting (alarm);
CREATE INDEX queue_waiting_domain ON queue_waiting (domain, route, held, queued);
CREATE INDEX queue_waiting_trace ON queue_waiting (trace);
`, `
CREATE TABLE queue_log (
	id INTEGER PRIMARY KEY,
	salt INTEGER NOT NULL,
	floor INTEGER NOT NULL
);
INSERT INTO queue_log (id, salt, floor) VALUES (1, 0, 0);
CREATE TABLE queue_void (
	id INTEGER PRIMARY KEY,
	segment INTEGER NOT NULL
);
`, `
CREATE INDEX queue_waiting_octets ON queue_waiting (segment, start, size);
`, `
CREATE INDEX queue_waiting_state ON queue_waiting (held, id);
`, `
ALTER TABLE queue_waiting ADD COLUMN takes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX queue_waiting_takes ON queue_waiting (takes) WHERE takes > 0;
`}

// What the column held has: who is tried when due, who is held, and who is kept
// apart in quarantine, which is no part of the queue for whoever looks at that.
const (
	rowWaits, rowHeld, rowApart = 0, 1, 2
)

// stay returns the columns due and held of e's row.
func (e *entry) stay() (due, held int64) {
	switch {
	case e.apart():
		return far, rowApart
	case e.hold != "":
		return far, rowHeld
	}
	return e.due, rowWaits
}

// stateOf says what the column held means.
func stateOf(held int64) State {
	switch held {
	case rowHeld:
		return Held
	case rowApart:
		return Quarantined
	}
	return Waiting
}

// The statements; every one is prepared once. What is written again, because it
// was not certain that it had been, must change nothing.
const (
	sqlInsertNew = `INSERT INTO queue_new (id, prepared, segment, start, size, data) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`
	sqlActivate = `UPDATE queue_new SET prepared = 0 WHERE id = ?`
	sqlDropNew  = `DELETE FROM queue_new WHERE id = ?`

	sqlInsertWaiting = `INSERT INTO queue_waiting
		(id, bucket, due, alarm, held, queued, segment, start, size, trace, route, domain, takes, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`
	sqlUpdateWaiting = `UPDATE queue_waiting SET due = ?, alarm = ?, held = ?, takes = ?, data = ? WHERE id = ?`
	sqlDropWaiting   = `DELETE FROM queue_waiting WHERE id = ?`

	sqlLeft = `SELECT (SELECT COUNT(*) FROM queue_new WHERE id BETWEEN ? AND ?) +
		(SELECT COUNT(*) FROM queue_waiting WHERE id BETWEEN ? AND ?)`
	sqlLoad = `SELECT id, due, segment, start, size, data FROM queue_waiting
		WHERE bucket = ? AND due >= ? AND (due > ? OR id > ?) ORDER BY due, id LIMIT ?`
	sqlBacklog = `SELECT bucket, MIN(due), COUNT(*), COUNT(CASE WHEN due >= ? THEN 1 END) FROM queue_waiting GROUP BY bucket`
	sqlAlarms  = `SELECT id, due, alarm, takes, segment, start, size, data FROM queue_waiting
		WHERE alarm <= ? AND (alarm > ? OR alarm = ? AND id > ?) ORDER BY alarm, id LIMIT ?`
	sqlNextAlarm   = `SELECT COALESCE(MIN(alarm), ?) FROM queue_waiting WHERE alarm > ?`
	sqlNew         = `SELECT id, segment, start, size, data FROM queue_new WHERE prepared = 0 AND id > ? ORDER BY id LIMIT ?`
	sqlUndoNew     = `DELETE FROM queue_new WHERE id BETWEEN ? AND ?`
	sqlUndoWaiting = `DELETE FROM queue_waiting WHERE id BETWEEN ? AND ?`
	sqlSetAside    = `UPDATE queue_new SET prepared = 2 WHERE id = ?`
	sqlForget      = `DELETE FROM queue_new WHERE prepared = 1`
	// The numbers behind may have been those of rows of the same message.
	sqlLastID = `SELECT COALESCE(MAX(id) + ?, 0) FROM (SELECT MAX(id) AS id FROM queue_new UNION ALL SELECT MAX(id) FROM queue_waiting) AS last`
	// Of the many rows that wait only the index is read.
	sqlRefs    = `SELECT segment, start, size FROM queue_waiting WHERE (segment, start) > (?, ?) ORDER BY segment, start LIMIT ?`
	sqlRefsNew = `SELECT segment, start, size FROM queue_new ORDER BY segment, start`

	sqlLog       = `SELECT salt, floor FROM queue_log WHERE id = 1`
	sqlSetLog    = `UPDATE queue_log SET salt = ?, floor = ? WHERE id = 1`
	sqlSetFloor  = `UPDATE queue_log SET floor = ? WHERE id = 1`
	sqlVoid      = `INSERT INTO queue_void (id, segment) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`
	sqlIsVoid    = `SELECT COUNT(*) FROM queue_void WHERE id = ?`
	sqlDropVoid  = `DELETE FROM queue_void WHERE segment < ?`
	sqlClearVoid = `DELETE FROM queue_void`

	sqlClearNew     = `DELETE FROM queue_new`
	sqlClearWaiting = `DELETE FROM queue_waiting WHERE held < 2`

	sqlOldest     = `SELECT id, segment, start, size, data FROM queue_waiting WHERE held = 0 ORDER BY id LIMIT 1`
	sqlOldestHeld = `SELECT id, segment, start, size, data FROM queue_waiting WHERE held = 1 ORDER BY id LIMIT 1`
	sqlOldestNew  = `SELECT id, segment, start, size, data FROM queue_new ORDER BY id LIMIT 1`
	sqlApart      = `SELECT COUNT(*) FROM queue_waiting WHERE held = 2`
	sqlTaken      = `SELECT COALESCE(SUM(takes), 0) FROM queue_waiting WHERE takes > 0` // of the index alone

	sqlRefers = `SELECT (SELECT COUNT(*) FROM queue_new WHERE id BETWEEN ? AND ? AND segment = ? AND start = ?) +
		(SELECT COUNT(*) FROM queue_waiting WHERE id BETWEEN ? AND ? AND segment = ? AND start = ?)`
	sqlPlace = `SELECT segment, start FROM queue_new WHERE id BETWEEN ? AND ?
		UNION ALL SELECT segment, start FROM queue_waiting WHERE id BETWEEN ? AND ? LIMIT 1`

	sqlMoveNew     = `UPDATE queue_new SET segment = ?, start = ? WHERE id BETWEEN ? AND ? AND segment = ? AND start = ?`
	sqlMoveWaiting = `UPDATE queue_waiting SET segment = ?, start = ? WHERE id BETWEEN ? AND ? AND segment = ? AND start = ?`
)

// newRow returns the columns of an insertion into queue_new.
func (q *Queue) newRow(e *entry, prepared bool) []any {
	ref := q.refOf(e.msg)
	return []any{e.id, prepared, int64(ref.Segment), ref.Offset, ref.Size, appendRow(make([]byte, 0, 256), e)}
}

// waitingRow returns the columns of an insertion into queue_waiting.
func (q *Queue) waitingRow(o *Options, e *entry) []any {
	ref, alarm := q.refOf(e.msg), min(o.alarm(e, q.clock.now()), far)
	due, held := e.stay()
	return []any{
		e.id, int64(e.bucket()), due, alarm, held, e.msg.queued, int64(ref.Segment), ref.Offset, ref.Size,
		e.msg.trace, e.route, e.domain, e.takes, appendRow(make([]byte, 0, 384), e),
	}
}

// changedRow returns the columns of a change in queue_waiting.
func (q *Queue) changedRow(o *Options, e *entry) []any {
	due, held := e.stay()
	takes := e.takes
	if !e.apart() { // released
		takes = 0
	}
	return []any{due, min(o.alarm(e, q.clock.now()), far), held, takes, appendRow(make([]byte, 0, 384), e), e.id}
}

// migrate makes the tables, and forgets what was prepared and never
// committed.
func migrate(ctx context.Context, db *sqldb.DB) error {
	if err := db.Migrate(ctx, "queue", steps); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	err := db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, sqlForget)
		return err
	})
	if err != nil {
		return fmt.Errorf("queue: forget what was prepared: %w", err)
	}
	return nil
}

// Clear forgets all queued mail, before the queue is opened; what its log has
// too. What is in quarantine stays.
func Clear(ctx context.Context, db *sqldb.DB) error {
	if err := migrate(ctx, db); err != nil {
		return err
	}
	// What was just being put there has its row among the new ones.
	if err := offline(db, Options{}).recoverNew(ctx); err != nil {
		return fmt.Errorf("queue: clear: %w", err)
	}
	return db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, query := range [...]string{sqlClearNew, sqlClearWaiting, sqlClearVoid} {
			if _, err := tx.Exec(ctx, query); err != nil {
				return fmt.Errorf("queue: clear: %w", err)
			}
		}
		_, err := tx.Exec(ctx, sqlSetLog, 0, 0)
		return err
	})
}

// Live lists the blobs that the queue's rows refer to, each once, for opening
// the blob store before the queue. What an earlier process had prepared and
// not committed is forgotten first, and rows are made of what is in its log.
// Where notes is nil the log is left alone.
func Live(ctx context.Context, db *sqldb.DB, notes *blob.Notes) iter.Seq2[blob.Ref, error] {
	return func(yield func(blob.Ref, error) bool) {
		if err := Recover(ctx, db, notes); err != nil {
			yield(blob.Ref{}, err)
			return
		}
		// A message may have many rows, in either table.
		told := map[blob.Ref]bool{}
		for ref, err := range newRefs(ctx, db) {
			told[ref] = true
			if !yield(ref, err) {
				return
			}
		}
		for ref, err := range waitingRefs(ctx, db) {
			if (err != nil || !told[ref]) && !yield(ref, err) {
				return
			}
		}
	}
}

// refBatch is how many rows are read at a time, so that no reader keeps the
// database from tidying up for long.
const refBatch = 10_000

// newRefs lists the blobs of queue_new, each once.
func newRefs(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Ref, error] {
	return func(yield func(blob.Ref, error) bool) {
		readRefs(ctx, db, yield, sqlRefsNew)
	}
}

// waitingRefs lists the blobs of queue_waiting, each once.
func waitingRefs(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Ref, error] {
	return func(yield func(blob.Ref, error) bool) {
		last, n, more := blob.Ref{Offset: -1}, refBatch, true
		for more && n == refBatch {
			last, n, more = readRefs(ctx, db, yield, sqlRefs, int64(last.Segment), last.Offset, refBatch)
		}
	}
}

// readRefs lists the blobs of a query's rows, which are sorted by them, each
// once, and returns the last one and how many rows there were; false: no more
// is wanted.
func readRefs(ctx context.Context, db *sqldb.DB, yield func(blob.Ref, error) bool, query string, args ...any) (last blob.Ref, n int, more bool) {
	fail := func(err error) (blob.Ref, int, bool) {
		yield(blob.Ref{}, fmt.Errorf("queue: %w", err))
		return last, n, false
	}
	rows, err := db.Read().Query(ctx, query, args...)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var ref blob.Ref
		var segment int64
		if err := rows.Scan(&segment, &ref.Offset, &ref.Size); err != nil {
			return fail(err)
		}
		n++
		if ref.Segment = uint64(segment); ref == last {
			continue
		}
		if last = ref; !yield(ref, nil) {
			return last, n, false
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return last, n, true
}

// scanner is a row of a query.
type scanner interface{ Scan(dest ...any) error }

// scanEntry reads id, then what more asks for, then segment, start, size and
// data.
func scanEntry(row scanner, more ...any) (*entry, error) {
	e := &entry{}
	var ref blob.Ref
	var segment int64
	var data []byte
	dest := append([]any{&e.id}, more...)
	if err := row.Scan(append(dest, &segment, &ref.Offset, &ref.Size, &data)...); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	ref.Segment = uint64(segment)
	if err := parseRow(data, e); err != nil {
		return e, fmt.Errorf("entry %d: %w", e.id, err)
	}
	e.msg.ref = ref
	return e, nil
}
