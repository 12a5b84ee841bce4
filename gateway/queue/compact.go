package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// tidyEvery is how often it is looked at most whether space can be had.
	tidyEvery = time.Minute
	// tidyWaste is how many octets may be dead before that is done.
	tidyWaste = 64 << 20
)

// errStoring tells that a message whose rows are still to come cannot be
// moved.
var errStoring = errors.New("queue: a message is just being stored")

// startTidy has tidy run beside the runner, once at a time.
func (q *Queue) startTidy() {
	if !q.tidying.CompareAndSwap(false, true) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.wg.Go(func() {
		defer q.tidying.Store(false)
		q.tidy(q.ctx)
	})
}

// tidy frees the space of segments that are mostly dead.
func (q *Queue) tidy(ctx context.Context) {
	for ctx.Err() == nil {
		u := q.blobs.Usage()
		if u.Total-u.Live < max(tidyWaste, u.Live) {
			return
		}
		n, err := q.blobs.Compact(ctx, (*owner)(q))
		switch {
		case errors.Is(err, errStoring) || ctx.Err() != nil:
			return
		case err != nil:
			q.log.Error("space could not be reclaimed", "error", err.Error())
			return
		case n == 0:
			return
		}
	}
}

// owner answers the blob store's questions.
type owner Queue

// Alive implements blob.Owner.
func (o *owner) Alive(ctx context.Context, records []blob.Record) (alive []blob.Record, err error) {
	q := (*Queue)(o)
	for _, r := range records {
		first, n, ok := parseTag(r.Tag)
		if !ok {
			continue
		}
		if q.storing(first, n) {
			alive = append(alive, r)
			continue
		}
		last := first + n - 1
		var left int
		err := q.db.Read().QueryRow(ctx, sqlRefers, first, last, int64(r.Ref.Segment), r.Ref.Offset, first, last, int64(r.Ref.Segment), r.Ref.Offset).Scan(&left)
		if err != nil {
			return nil, fmt.Errorf("queue: %w", err)
		}
		if left > 0 {
			alive = append(alive, r)
		}
	}
	return alive, nil
}

// storing tells whether a message's rows may still be to come, or may never be:
// it is in the log.
func (q *Queue) storing(first, n int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id := first; id < first+n; id++ {
		if e := q.entries[id]; e != nil && (e.state == storing || e.logged) {
			return true
		}
	}
	return false
}

// Move implements blob.Owner. Nothing else writes rows meanwhile, so that rows
// and what memory has of them always agree on where the octets are.
func (o *owner) Move(ctx context.Context, moved []blob.Moved) (done []blob.Moved, err error) {
	q := (*Queue)(o)
	q.rows.lock()
	defer q.rows.unlock()
	for _, m := range moved {
		if first, n, ok := parseTag(m.Tag); ok && q.storing(first, n) {
			return nil, errStoring
		}
	}
	err = q.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		done = done[:0]
		for _, m := range moved {
			n, err := moveRows(ctx, tx, m)
			if err != nil {
				return err
			}
			if n > 0 {
				done = append(done, m)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	q.moveInMemory(done)
	return done, nil
}

// moveRows changes the rows of a message, and returns how many those are.
func moveRows(ctx context.Context, tx *sqldb.Tx, m blob.Moved) (rows int64, err error) {
	first, n, ok := parseTag(m.Tag)
	if !ok {
		return 0, nil
	}
	for _, query := range [...]string{sqlMoveNew, sqlMoveWaiting} {
		k, err := tx.Exec(ctx, query, int64(m.New.Segment), m.New.Offset, first, first+n-1, int64(m.Old.Segment), m.Old.Offset)
		if err != nil {
			return 0, err
		}
		rows += k
	}
	return rows, nil
}

// exclusion is a mutex.
type exclusion chan struct{}

func (x exclusion) lock()   { x <- struct{}{} }
func (x exclusion) unlock() { <-x }

// moveInMemory changes where messages in memory are, and those of which rows
// are just being read.
func (q *Queue) moveInMemory(moved []blob.Moved) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refs.Lock()
	defer q.refs.Unlock()
	for _, m := range moved {
		first, n, _ := parseTag(m.Tag)
		for id := first; id < first+n; id++ {
			if e := q.entries[id]; e != nil && e.msg.ref == m.Old {
				e.msg.ref = m.New
			}
		}
		for w := range q.watches {
			w.moved[m.Old] = m.New
		}
	}
}
