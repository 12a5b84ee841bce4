package mailbox

import (
	"context"
	"errors"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// tidyWaste is how many octets may be dead before their space is reclaimed, or
// as many as live.
const tidyWaste = 64 << 20

const (
	sqlSomeRefs   = `SELECT id, segment, start, size FROM mailbox_objects WHERE id IN (` + someMarks + `)`
	sqlMoveObject = `UPDATE mailbox_objects SET segment = ?, start = ? WHERE id = ? AND segment = ? AND start = ?`
)

// errStoring tells that a message whose rows are still to come cannot be moved.
var errStoring = errors.New("mailbox: a message is just being stored")

// compact frees the space of segments that are mostly dead.
func (s *Store) compact(ctx context.Context) {
	for ctx.Err() == nil {
		u := s.deps.Blobs.Usage()
		if u.Total-u.Live < max(tidyWaste, u.Live) {
			return
		}
		n, err := s.deps.Blobs.Compact(ctx, (*owner)(s))
		if err != nil && !errors.Is(err, errStoring) && ctx.Err() == nil {
			s.log.Error("space of mail could not be reclaimed", "error", err.Error())
		}
		if err != nil || n == 0 {
			return
		}
	}
}

// Compact frees the space of one segment of blobs that is mostly dead, and
// tells how many octets that is. A Store does it by itself.
func (s *Store) Compact(ctx context.Context) (int64, error) {
	return s.deps.Blobs.Compact(ctx, (*owner)(s))
}

// owner answers the blob store's questions.
type owner Store

// Alive implements blob.Owner.
func (o *owner) Alive(ctx context.Context, records []blob.Record) (alive []blob.Record, err error) {
	s := (*Store)(o)
	for len(records) > 0 {
		part := records[:min(some, len(records))]
		records = records[len(part):]
		refs, err := s.refsOf(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, r := range part {
			id, ok := parseTag(r.Tag)
			if ok && (refs[id] == r.Ref || s.storing(id)) {
				alive = append(alive, r)
			}
		}
	}
	return alive, nil
}

// refsOf reads where objects are now.
func (s *Store) refsOf(ctx context.Context, records []blob.Record) (map[ObjectID]blob.Ref, error) {
	ids := make([]ObjectID, len(records))
	for i, r := range records {
		ids[i], _ = parseTag(r.Tag)
	}
	refs := map[ObjectID]blob.Ref{}
	rows, err := s.deps.DB.Read().Query(ctx, sqlSomeRefs, marks(ids)...)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		id, ref, err := scanRef(row)
		refs[id] = ref
		return err
	})
	return refs, err
}

func parseTag(tag string) (ObjectID, bool) {
	id, err := strconv.ParseInt(tag, 36, 64)
	return ObjectID(id), err == nil && id > 0
}

// storing tells whether an object's rows may still be to come.
func (s *Store) storing(id ObjectID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.inFlight[id]
	return is
}

// Move implements blob.Owner.
func (o *owner) Move(ctx context.Context, moved []blob.Moved) (done []blob.Moved, err error) {
	s := (*Store)(o)
	err = s.journal.do(ctx, opFunc(func(ctx context.Context, p *plan) error {
		done = done[:0]
		for _, m := range moved {
			if id, _ := parseTag(m.Tag); s.storing(id) {
				return errStoring
			}
		}
		for _, m := range moved {
			id, ok := parseTag(m.Tag)
			if !ok {
				continue
			}
			n, err := p.exec(ctx, sqlMoveObject, int64(m.New.Segment), m.New.Offset, int64(id), int64(m.Old.Segment), m.Old.Offset)
			if err != nil {
				return err
			}
			if n > 0 {
				done = append(done, m)
				p.dropped = append(p.dropped, id)
				p.use(m.Old, (*blob.Use).Remove)
				p.use(m.New, (*blob.Use).Add)
			}
		}
		return nil
	}))
	return done, err
}
