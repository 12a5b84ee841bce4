package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// batch is how many records Compact asks the owner about at once.
const batch = 256

// compact is Compact of store, whose records of one segment are listed by
// records.
func (l *ledger) compact(ctx context.Context, store Store, owner Owner, records func(s *segment) iter.Seq2[Record, error]) (int64, error) {
	s, freed := l.mostlyDead()
	if s == nil {
		return 0, nil
	}
	var list []Record
	var err, corrupt error
	step := func() error {
		err := move(ctx, store, owner, list)
		list = list[:0]
		if errors.Is(err, ErrCorrupt) {
			corrupt, err = err, nil
		}
		return err
	}
	for rec, e := range records(s) {
		if err = e; err != nil {
			break
		}
		if list = append(list, rec); len(list) == batch {
			if err = step(); err != nil {
				break
			}
		}
	}
	if err == nil && len(list) > 0 {
		err = step()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.compacting = false; err == nil && s.live > 0 {
		s.kept = true // what is left nobody knows: until the next start
	}
	if err = cmp.Or(err, corrupt); err != nil {
		return 0, fmt.Errorf("blob: compact: %w", err)
	}
	return freed, nil
}

// mostlyDead picks the sealed segment with the least share of what lives, and
// tells what goes with the rest.
func (l *ledger) mostlyDead() (best *segment, freed int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	share := 0.5
	for _, s := range l.segments {
		if !s.sealed || s.pending > 0 || s.reaping || s.compacting || s.kept || s.live <= 0 || s.size == 0 {
			continue
		}
		if x := float64(s.live) / float64(s.size); x < share {
			best, share = s, x
		}
	}
	if best == nil {
		return nil, 0
	}
	best.compacting = true
	return best, best.size - best.live
}

// move copies those of the records that live and has the owner change its
// rows.
func move(ctx context.Context, store Store, owner Owner, list []Record) error {
	alive, err := owner.Alive(ctx, list)
	if err != nil || len(alive) == 0 {
		return err
	}
	moved := make([]Moved, 0, len(alive))
	var corrupt error
	for _, rec := range alive {
		ref, err := copyBlob(ctx, store, rec)
		if errors.Is(err, ErrCorrupt) { // it stays where it is
			corrupt = fmt.Errorf("%s: %w", rec.Ref, err)
			continue
		}
		if err != nil {
			release(store, moved, nil)
			return err
		}
		moved = append(moved, Moved{Tag: rec.Tag, Old: rec.Ref, New: ref})
	}
	done, err := owner.Move(ctx, slices.Clone(moved))
	if err != nil {
		done = nil
	}
	release(store, moved, done)
	return cmp.Or(err, corrupt)
}

// release gives up the old blobs of those done, the new ones of the others.
func release(store Store, moved, done []Moved) {
	is := make(map[Moved]bool, len(done))
	for _, m := range done {
		is[m] = true
	}
	for _, m := range moved {
		if is[m] {
			store.Release(m.Old)
		} else {
			store.Release(m.New)
		}
	}
}

func copyBlob(ctx context.Context, store Store, rec Record) (Ref, error) {
	r, err := store.Open(ctx, rec.Ref)
	if err != nil {
		return Ref{}, err
	}
	defer r.Close()
	return store.Append(ctx, rec.Tag, rec.Ref.Size, r)
}
