package search

import (
	"bytes"
	"context"
	"database/sql"
	"slices"
	"time"
)

const (
	fanIn       = 8       // segments of one size that become one
	mergeOctets = 4 << 20 // of a transaction of a merge
	maxObjects  = 1 << 19 // of a segment that comes from a merge
)

// level tells of about which size a segment is.
func (s *segment) level() (n int) {
	for k := len(s.objects) - s.dead; k >= fanIn; k /= fanIn {
		n++
	}
	return n
}

// due returns segments that are to be merged: as many as fanIn of one size, or
// one most of whose objects have gone.
func (e *engine) due() []*segment {
	byLevel := map[int][]*segment{}
	for _, s := range e.live {
		if s.dead*2 > len(s.objects) {
			return []*segment{s}
		}
		l := s.level()
		byLevel[l] = append(byLevel[l], s)
		if list := byLevel[l]; len(list) == fanIn {
			n := 0
			for _, s := range list {
				n += len(s.objects)
			}
			if n <= maxObjects {
				return list
			}
		}
	}
	return nil
}

const sqlOctets = `SELECT COALESCE((SELECT SUM(LENGTH(tokens)) FROM search_words WHERE segment = $1), 0) +
	COALESCE((SELECT SUM(LENGTH(data)) FROM search_postings WHERE segment = $1), 0)`

// mergeTakes is how many octets of the disk a merge takes at most: what is there
// once more, with signatures and what pages waste, and the log.
func (e *engine) mergeTakes(ctx context.Context, from []*segment) (n int64, err error) {
	for _, s := range from {
		if s.octets == 0 {
			if err := e.read.QueryRowContext(ctx, sqlOctets, s.id).Scan(&s.octets); err != nil {
				return 0, err
			}
		}
		n += s.octets
	}
	return 2*n + min(n, 2*mergeOctets) + walKept, nil
}

// merge writes a new segment of others. It is not live yet.
func (e *engine) merge(ctx context.Context, from []*segment, pause func(since time.Time) error) (*segment, error) {
	id := e.next
	e.next++
	m, err := newMerger(ctx, e, from)
	if err != nil {
		return nil, err
	}
	e.strays = append(e.strays, id) // until it is live
	w := &pageWriter{ctx: ctx, segment: id, signs: &signs{}}
	for more := true; more; {
		begin := time.Now()
		err := e.transaction(ctx, func(tx *sql.Tx) (err error) {
			w.tx, w.written = tx, 0
			for more && w.written < mergeOctets {
				if more, err = m.step(w); err != nil {
					return err
				}
			}
			if err := w.flush(); err != nil || more {
				return err
			}
			return w.putSigns()
		})
		if err == nil && more {
			err = pause(begin)
		}
		if err != nil {
			return nil, err
		}
	}
	return &segment{id: id, objects: m.objects}, nil
}

// publish makes a merged segment live instead of those that it came from.
func (e *engine) publish(ctx context.Context, from []*segment, fresh *segment) error {
	return e.transaction(ctx, func(tx *sql.Tx) error {
		for _, s := range from {
			r, err := tx.ExecContext(ctx, sqlDrop, s.id)
			if err != nil {
				return err
			}
			if n, err := r.RowsAffected(); err != nil || n != 1 {
				return errOther
			}
			for _, o := range s.objects {
				if s.dead == 0 {
					break
				}
				if _, ok := slices.BinarySearch(fresh.objects, o); ok {
					continue
				}
				if _, err := tx.ExecContext(ctx, sqlForget, o); err != nil {
					return err
				}
			}
		}
		if len(fresh.objects) == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, sqlAddSegment, fresh.id, encodeObjects(fresh.objects))
		return err
	})
}

// gone is the new ordinal of an object that was removed.
const gone = ^uint32(0)

// merger brings the tokens of segments into one order.
type merger struct {
	from    []*walk
	objects []int64
	list    []uint32
	posting []byte
}

func newMerger(ctx context.Context, e *engine, from []*segment) (*merger, error) {
	m := &merger{}
	dead := map[int64]bool{}
	if slices.ContainsFunc(from, func(s *segment) bool { return s.dead > 0 }) {
		list, err := ids(ctx, e.read, sqlRemoved)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			dead[o] = true
		}
	}
	for _, s := range from {
		for _, o := range s.objects {
			if !dead[o] {
				m.objects = append(m.objects, o)
			}
		}
	}
	m.objects = sorted(m.objects)
	for _, s := range from {
		w := &walk{ctx: ctx, eng: e, id: s.id, first: []byte{}, place: make([]uint32, len(s.objects))}
		for i, o := range s.objects {
			w.place[i] = gone
			if at, ok := slices.BinarySearch(m.objects, o); ok {
				w.place[i] = uint32(at)
			}
		}
		more, err := w.next()
		if err != nil {
			return nil, err
		}
		if more {
			m.from = append(m.from, w)
		}
	}
	return m, nil
}

// step writes the next token.
func (m *merger) step(w *pageWriter) (more bool, err error) {
	if len(m.from) == 0 {
		return false, nil
	}
	least := m.from[0].token
	for _, f := range m.from[1:] {
		if bytes.Compare(f.token, least) < 0 {
			least = f.token
		}
	}
	m.list = m.list[:0]
	token := slices.Clone(least)
	for i := 0; i < len(m.from); {
		f := m.from[i]
		if !bytes.Equal(f.token, token) {
			i++
			continue
		}
		if err := eachOrdinal(f.posting, func(o uint32) {
			if int(o) < len(f.place) && f.place[o] != gone {
				m.list = append(m.list, f.place[o])
			}
		}); err != nil {
			return false, err
		}
		if more, err = f.next(); err != nil {
			return false, err
		}
		if more {
			i++
		} else {
			m.from = slices.Delete(m.from, i, i+1)
		}
	}
	if len(m.list) == 0 {
		return true, nil
	}
	if !slices.IsSorted(m.list) {
		slices.Sort(m.list)
	}
	m.list = slices.Compact(m.list)
	m.posting = appendPosting(m.posting[:0], m.list, len(m.objects))
	return true, w.add(token, m.posting)
}

// walk goes over the tokens of a segment.
type walk struct {
	ctx   context.Context
	eng   *engine
	id    int64
	place []uint32 // the new ordinals

	token, posting []byte
	first          []byte // of the page
	tokens, posts  []byte // what is left of it
}

const sqlNextPage = `SELECT first, page, tokens FROM search_words WHERE segment = $1 AND first > $2 ORDER BY first LIMIT 1`

// next goes to the next token; false: there is none.
func (w *walk) next() (more bool, err error) {
	if len(w.tokens) == 0 {
		var page int64
		err := w.eng.read.QueryRowContext(w.ctx, sqlNextPage, w.id, w.first).Scan(&w.first, &page, &w.tokens)
		if err == sql.ErrNoRows {
			return false, nil
		}
		if err == nil {
			err = w.eng.read.QueryRowContext(w.ctx, sqlPosting, w.id, page).Scan(&w.posts)
		}
		if err != nil {
			return false, err
		}
		w.tokens = w.tokens[1:] // its line feed
	}
	i := bytes.IndexByte(w.tokens, '\n')
	if i < 0 {
		return false, errDamaged
	}
	w.token, w.tokens = w.tokens[:i], w.tokens[i+1:]
	if w.posting, err = posting(w.posts, 0); err != nil {
		return false, err
	}
	w.posts = w.posts[cap(w.posts)-cap(w.posting)+len(w.posting):]
	return true, nil
}
