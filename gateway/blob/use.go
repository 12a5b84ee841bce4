package blob

import (
	"context"
	"iter"
)

// Use is how much of one segment lives. An owner of very many blobs keeps one
// for each segment beside its rows, changed in the transactions that change
// those, so that to open a store it need not list every blob.
type Use struct {
	Segment uint64
	// Octets is what the blobs weigh, with what is stored around them; Sum is
	// the exclusive or of their hashes. Both are 0 when the last one has gone.
	Octets int64
	Sum    uint64
}

// Add counts a blob that lives. Its Segment is u's.
func (u *Use) Add(r Ref) {
	u.Octets += r.weight()
	u.Sum ^= r.hash()
}

// Remove counts a blob that does not live any more.
func (u *Use) Remove(r Ref) {
	u.Octets -= r.weight()
	u.Sum ^= r.hash()
}

// uses is what the store is told at its start, from refs or from sums.
type uses func(ctx context.Context, l *ledger, lost map[uint64]int) error

// eachRef counts blob by blob.
func eachRef(live iter.Seq2[Ref, error]) uses {
	return func(ctx context.Context, l *ledger, lost map[uint64]int) error {
		if live == nil {
			return nil
		}
		for ref, err := range live {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			s := l.segments[ref.Segment]
			if s == nil || !ref.valid() || ref.Offset+ref.Size > s.size {
				lost[ref.Segment]++
				l.next = max(l.next, ref.Segment+1)
				continue
			}
			s.add(ref)
		}
		return nil
	}
}

// eachUse takes the sums of segments.
func eachUse(live iter.Seq2[Use, error]) uses {
	return func(ctx context.Context, l *ledger, lost map[uint64]int) error {
		for u, err := range live {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if u.Octets == 0 && u.Sum == 0 {
				continue
			}
			s := l.segments[u.Segment]
			if s == nil || u.Octets > s.size {
				lost[u.Segment]++
				l.next = max(l.next, u.Segment+1)
			}
			if s != nil {
				s.live, s.sum = s.live+u.Octets, s.sum^u.Sum
			}
		}
		return nil
	}
}
