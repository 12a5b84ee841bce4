package mailbox

import (
	"context"
	"math"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// load is a block that is being read while others may change it.
type load struct {
	n     int  // readers of it
	dirty bool // it was changed
}

// loadTries is how often a block that others change is read anew before they
// have to wait for it.
const loadTries = 3

// loadMap has the map of a folder in memory, as of its row.
func (s *Store) loadMap(ctx context.Context, f *folderState) error {
	for {
		f.user.mu.Lock()
		done, err := s.tryMap(ctx, f)
		f.user.mu.Unlock()
		if done || err != nil {
			return err
		}
		// What was written last is just about to be applied.
		select {
		case <-time.After(applyTime):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.refresh(ctx, f.user); err != nil {
			return err
		}
	}
}

// applyTime is a wait for something that takes no time.
const applyTime = 200 * time.Microsecond

// tryMap reads the map; false: it is not that of the row in memory. The user's
// mutex is held.
func (s *Store) tryMap(ctx context.Context, f *folderState) (done bool, err error) {
	if f.uids != nil || f.gone {
		return true, nil
	}
	err = s.deps.DB.View(ctx, func(ctx context.Context, r *sqldb.Reader) error {
		rows, err := readFolders(ctx, r, sqlFolder, int64(f.row.ID))
		if err != nil || len(rows) == 0 || rows[0].ModSeq != f.row.ModSeq || rows[0].key != f.row.key {
			return err
		}
		m, err := readMap(ctx, r, f.row.key)
		if err == nil {
			f.uids, done = m, true
		}
		return err
	})
	return done, err
}

func readMap(ctx context.Context, q sqldb.Querier, key int64) (*uidMap, error) {
	m := &uidMap{}
	rows, err := q.Query(ctx, sqlBlocks, key)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var at uint32
		var b []byte
		if err := row.Scan(&at, &b); err != nil {
			return err
		}
		bits := bitmapOf(b)
		if n := bits.count(); n > 0 {
			m.blocks = append(m.blocks, mapBlock{at: at, before: m.n, bits: bits})
			m.n += n
		}
		return nil
	})
	return m, err
}

// loadBlock has the rows of a block in memory.
func (s *Store) loadBlock(ctx context.Context, f *folderState, at uint32) error {
	for try := 1; ; try++ {
		f.user.mu.Lock()
		if f.blocks[at] != nil || f.gone {
			f.user.mu.Unlock()
			return nil
		}
		if try > loadTries {
			defer f.user.mu.Unlock()
			b, err := readBlock(ctx, s.deps.DB.Read(), f.row.key, at)
			if err == nil {
				s.install(f, at, b)
			}
			return err
		}
		l := f.loads[at]
		if l == nil {
			if f.loads == nil {
				f.loads = map[uint32]*load{}
			}
			l = &load{}
			f.loads[at] = l
		}
		l.n++
		key := f.row.key
		f.user.mu.Unlock()
		b, err := readBlock(ctx, s.deps.DB.Read(), key, at)
		f.user.mu.Lock()
		if l.n--; l.n == 0 || l.dirty {
			if f.loads[at] == l {
				delete(f.loads, at)
			}
		}
		good := err == nil && !l.dirty && key == f.row.key && !f.gone
		if good && f.blocks[at] == nil {
			s.install(f, at, b)
		}
		f.user.mu.Unlock()
		if err != nil || good {
			return err
		}
	}
}

// install puts a block that was read into memory. The user's mutex is held.
func (s *Store) install(f *folderState, at uint32, b *block) {
	if f.blocks == nil {
		f.blocks = map[uint32]*block{}
	}
	f.blocks[at] = b
	s.took(len(b.list))
}

func readBlock(ctx context.Context, q sqldb.Querier, key int64, at uint32) (*block, error) {
	b := &block{}
	first := int64(at) << blockShift
	err := readEntries(ctx, q, key, first, min(first+blockSize-1, math.MaxUint32), func(e *entry) { b.list = append(b.list, *e) })
	return b, err
}

func readEntries(ctx context.Context, q sqldb.Querier, key, first, last int64, f func(*entry)) error {
	rows, err := q.Query(ctx, sqlMessages, key, first, last)
	return scanEntries(rows, err, f)
}

// readSome reads the rows of UIDs, in ascending order.
func readSome(ctx context.Context, q sqldb.Querier, key int64, uids []uint32, f func(*entry)) error {
	var args [some + 1]any
	for len(uids) > 0 {
		part := uids[:min(some, len(uids))]
		uids = uids[len(part):]
		args[0] = key
		for i := range some {
			args[i+1] = int64(part[min(i, len(part)-1)])
		}
		rows, err := q.Query(ctx, sqlSomeMessages, args[:]...)
		if err := scanEntries(rows, err, f); err != nil {
			return err
		}
	}
	return nil
}

func scanEntries(rows *sqldb.Rows, err error, f func(*entry)) error {
	return sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var e entry
		var modseq, flags int64
		if err := row.Scan(&e.uid, &modseq, &flags, &e.size, &e.object, &e.date, &e.saved, &e.sent); err != nil {
			return err
		}
		e.modseq, e.flags = uint64(modseq), Flags(flags)
		f(&e)
		return nil
	})
}
