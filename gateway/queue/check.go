package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Check reads the octets of all that has a row, what is in quarantine too, and
// calls damaged with what cannot be read as it was written. done is told how many
// entries are through. The gateway may run meanwhile.
func Check(ctx context.Context, db *sqldb.DB, blobs blob.Store, damaged func(*Item, error), done func(n int64)) error {
	if err := db.Migrate(ctx, "queue", steps); err != nil {
		return fmt.Errorf("queue: check: %w", err)
	}
	opt, n := Options{}.withDefaults(), int64(0)
	told := map[int64]error{} // by message, of those with several entries
	each := func(e *entry, state State) error {
		m := e.msg
		err, known := told[m.first]
		if !known {
			err = verify(ctx, db, blobs, m)
		}
		if m.entries > 1 {
			told[m.first] = err
		}
		if n++; err == nil {
			done(n)
			return nil
		}
		if !errors.Is(err, blob.ErrCorrupt) && !errors.Is(err, blob.ErrNotFound) {
			return fmt.Errorf("queue: check: %s: %w", m.trace, err)
		}
		damaged(item(&opt, e, state), err)
		done(n)
		return nil
	}
	for _, f := range []Filter{{All: true}, {All: true, State: Quarantined}} {
		if err := eachWaiting(ctx, db, &f, each); err != nil {
			return err
		}
	}
	return eachNew(ctx, db, &Filter{All: true}, func(e *entry) error { return each(e, Active) })
}

// verify reads the octets of m, where they are by then; what has gone meanwhile
// was delivered, or removed.
func verify(ctx context.Context, db *sqldb.DB, blobs blob.Store, m *message) error {
	for {
		err := readAll(ctx, blobs, m.ref)
		if err == nil || ctx.Err() != nil {
			return cmp.Or(ctx.Err(), err)
		}
		var segment, start int64
		last := m.first + m.entries - 1
		perr := db.Read().QueryRow(ctx, sqlPlace, m.first, last, m.first, last).Scan(&segment, &start)
		if errors.Is(perr, sqldb.ErrNoRows) {
			return nil
		}
		now := blob.Ref{Segment: uint64(segment), Offset: start, Size: m.ref.Size}
		if perr != nil || now == m.ref {
			return cmp.Or(perr, err)
		}
		m.ref = now
	}
}

// readAll reads a blob to its end, which verifies it.
func readAll(ctx context.Context, blobs blob.Store, ref blob.Ref) error {
	r, err := blobs.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.WriteTo(io.Discard)
	return err
}
