package queue

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// readyEvery is how often it is tried at most whether mail can be stored
	// again.
	readyEvery = 5 * time.Second
	// readyTime bounds that.
	readyTime = 3 * time.Second
)

// readiness is what is known of whether mail can be stored.
type readiness struct {
	failed atomic.Bool // the latest message could not be
	mu     sync.Mutex  // held by who tries
	at     time.Time   // when it was tried
}

// Ready tells whether mail can be stored. Where the latest message could not be
// it tries, now and then: who asks may be who keeps the mail away that would tell.
func (q *Queue) Ready(ctx context.Context) bool {
	r := &q.ready
	if !r.failed.Load() {
		return !q.reserve.Given() || q.reserve.Room() == nil
	}
	if !r.mu.TryLock() {
		return false
	}
	defer r.mu.Unlock()
	if time.Since(r.at) < readyEvery {
		return false
	}
	r.at = time.Now()
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if q.tryStores(ctx) != nil {
		return false
	}
	r.failed.Store(false)
	return true
}

// tryStores stores nothing, in each store: on a disk that would take more than
// that.
func (q *Queue) tryStores(ctx context.Context) error {
	if q.reserve.Spare() == 0 {
		return noRoom
	}
	ref, err := q.blobs.Append(ctx, "", 0, bytes.NewReader(nil))
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	q.blobs.Release(ref)
	return q.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, sqlVoid, 0, 0); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlDropVoid, 1) // segments have greater numbers
		return err
	})
}
