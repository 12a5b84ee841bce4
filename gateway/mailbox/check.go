package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Problem is something that Check found.
type Problem struct {
	User, Folder string
	UID          uint32
	Object       ObjectID
	What         string
	Repaired     bool
}

// checkPage is how many rows Check reads at a time.
const checkPage = 500

// skipUIDs is how many UIDs are left out where UIDNEXT is known to be wrong.
const skipUIDs = 1000

const (
	sqlObjectCount  = `SELECT COUNT(*) FROM mailbox_objects`
	sqlCheckObjects = `SELECT o.id, o.segment, o.start, o.size, o.refs, (SELECT COUNT(*) FROM mailbox_messages m WHERE m.object = o.id)
		FROM mailbox_objects o WHERE o.id > ? ORDER BY o.id LIMIT ?`
	sqlSetRefs     = `UPDATE mailbox_objects SET refs = ? WHERE id = ?`
	sqlOrphans     = `SELECT folder, uid, object, size FROM mailbox_messages m WHERE NOT EXISTS (SELECT 1 FROM mailbox_objects o WHERE o.id = m.object) LIMIT ?`
	sqlFolderNames = `SELECT u.name, f.name FROM mailbox_folders f, mailbox_users u WHERE f.key = ? AND u.id = f.owner`
	sqlAllRefs     = `SELECT id, segment, start, size FROM mailbox_objects`
	sqlSetSegment  = `INSERT INTO mailbox_segments (segment, octets, sum) VALUES (?, ?, ?) ON CONFLICT (segment) DO UPDATE SET octets = excluded.octets, sum = excluded.sum`
	sqlDropSegment = `DELETE FROM mailbox_segments WHERE segment = ?`
	sqlSetUsage    = `UPDATE mailbox_users SET octets = ?, messages = ? WHERE id = ?`
	sqlCountFolder = `SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(1 - (flags & 1)), 0), COALESCE(SUM((flags & 8) / 8), 0),
		COALESCE(SUM((flags & 8) / 8 * size), 0), COALESCE(MAX(uid), 0), COALESCE(MAX(modseq), 0) FROM mailbox_messages WHERE folder = ?`
	sqlUIDs = `SELECT uid, object FROM mailbox_messages WHERE folder = ? ORDER BY uid`
)

// check is one run of Check.
type check struct {
	s      *Store
	repair bool
	tell   func(Problem)
	done   func(n, of int64)
}

// Check compares every row with every other and with its octets, and calls f
// with what does not fit; with repair it mends what can be mended, which nobody
// may do while others write. done is told now and then of how many of all
// objects are through; nil: nobody.
func (s *Store) Check(ctx context.Context, repair bool, f func(Problem), done func(n, of int64)) error {
	if done == nil {
		done = func(int64, int64) {}
	}
	c := &check{s, repair, f, done}
	for _, step := range []func(context.Context) error{c.orphans, c.objects, c.users, c.segments} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("mailbox: check: %w", err)
		}
	}
	if repair {
		s.forgetAll()
	}
	return nil
}

// forgetAll has everything read anew that no session has open.
func (s *Store) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.lru.Len() > 0 {
		s.evict(s.lru.Back().Value.(*userState))
	}
	clear(s.domains)
}

// problem tells of one, after mend has mended it where that is wanted; nil: it
// cannot be mended.
func (c *check) problem(ctx context.Context, p Problem, mend func(ctx context.Context, tx *sqldb.Tx) error) error {
	var err error
	if c.repair && mend != nil {
		err = c.s.write(ctx, mend)
		p.Repaired = err == nil
	}
	c.tell(p)
	return err
}

// orphans finds messages without an object. There is nothing to show of them.
func (c *check) orphans(ctx context.Context) error {
	for {
		rows, err := c.s.deps.DB.Read().Query(ctx, sqlOrphans, checkPage)
		list, err := sqldb.Collect(rows, err, func(row *sqldb.Rows) (x [4]int64, err error) {
			err = row.Scan(&x[0], &x[1], &x[2], &x[3])
			return x, err
		})
		if err != nil {
			return err
		}
		for _, x := range list {
			p := Problem{UID: uint32(x[1]), Object: ObjectID(x[2]), What: "the message's object is missing"}
			err := c.s.deps.DB.Read().QueryRow(ctx, sqlFolderNames, x[0]).Scan(&p.User, &p.Folder)
			if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
				return err
			}
			err = c.problem(ctx, p, func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, sqlDeleteMessage, x[0], x[1])
				return err
			})
			if err != nil {
				return err
			}
		}
		if len(list) < checkPage || !c.repair {
			return nil
		}
	}
}

// checked is a row that objects compares.
type checked struct {
	id          ObjectID
	ref         blob.Ref
	refs, count int64
}

// objects compares objects with the messages that refer to them, and with
// their octets.
func (c *check) objects(ctx context.Context) error {
	var of, n int64
	if err := c.s.deps.DB.Read().QueryRow(ctx, sqlObjectCount).Scan(&of); err != nil {
		return err
	}
	for last := ObjectID(0); ; {
		list, err := c.page(ctx, last)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, x := range list {
			if err := c.object(ctx, x); err != nil {
				return err
			}
			last = x.id
			n++
		}
		c.done(n, max(n, of))
	}
}

func (c *check) page(ctx context.Context, after ObjectID) ([]checked, error) {
	rows, err := c.s.deps.DB.Read().Query(ctx, sqlCheckObjects, int64(after), checkPage)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (x checked, err error) {
		x.id, x.ref, err = scanRef(row, &x.refs, &x.count)
		return x, err
	})
}

func (c *check) object(ctx context.Context, x checked) error {
	if x.refs != x.count {
		p := Problem{Object: x.id, What: fmt.Sprintf("%d messages have the object, %d are counted", x.count, x.refs)}
		err := c.problem(ctx, p, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, sqlSetRefs, x.count, int64(x.id))
			return err
		})
		if err != nil {
			return err
		}
	}
	r, err := c.s.OpenObject(ctx, x.id)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		r.Close()
	}
	if err == nil || errors.Is(err, ErrExpunged) { // it has gone meanwhile
		return ctx.Err()
	}
	return c.problem(ctx, Problem{Object: x.id, What: "octets: " + err.Error()}, nil)
}

// users compares folders with their messages, and users with their folders.
func (c *check) users(ctx context.Context) error {
	for name, err := range c.s.Users(ctx) {
		if err == nil {
			err = c.user(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *check) user(ctx context.Context, name string) error {
	var mend []func(ctx context.Context, tx *sqldb.Tx) error
	var found []Problem
	err := c.s.deps.DB.View(ctx, func(ctx context.Context, r *sqldb.Reader) error {
		u := &userState{}
		err := r.QueryRow(ctx, sqlUser, name).Scan(&u.id, &u.name, &u.version, &u.octets, &u.messages)
		if errors.Is(err, sqldb.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = c.s.readUser(ctx, r, u)
		}
		if err != nil {
			return err
		}
		var octets, messages int64
		for _, f := range u.folders {
			fix, what, err := checkFolder(ctx, r, f)
			if err != nil {
				return err
			}
			if fix != nil {
				mend = append(mend, fix)
				found = append(found, Problem{User: name, Folder: f.row.Name, What: what})
			}
			octets += f.row.Size
			messages += int64(f.row.Messages)
		}
		if octets != u.octets || messages != u.messages {
			found = append(found, Problem{User: name, What: fmt.Sprintf("%d octets in %d messages, %d in %d are counted", octets, messages, u.octets, u.messages)})
			mend = append(mend, func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, sqlSetUsage, octets, messages, u.id)
				return err
			})
		}
		return nil
	})
	for i, p := range found {
		if err == nil {
			err = c.problem(ctx, p, mend[i])
		}
	}
	return err
}

// checkFolder compares a folder's row and map with its messages, makes the row
// what it must be, and returns what mends the database; nil: all is well.
func checkFolder(ctx context.Context, q sqldb.Querier, f *folderState) (func(context.Context, *sqldb.Tx) error, string, error) {
	is := &f.row
	must := *is
	var last, modseq int64
	err := q.QueryRow(ctx, sqlCountFolder, is.key).Scan(&must.Messages, &must.Size, &must.Unseen, &must.Deleted, &must.DeletedSize, &last, &modseq)
	if err != nil {
		return nil, "", err
	}
	must.ModSeq = max(is.ModSeq, uint64(modseq))
	if must.Next = is.Next; int64(is.Next) <= last {
		must.Next = uint32(min(last+skipUIDs, 1<<32-1)) // some behind the last may have been used
	}
	what := ""
	if a, b := is.counters(), must.counters(); a != b {
		what = fmt.Sprintf("messages, octets, unseen, deleted, their octets, UIDNEXT, HIGHESTMODSEQ are %v, counted are %v", b, a)
	}
	m, err := readMap(ctx, q, is.key)
	if err != nil {
		return nil, "", err
	}
	uids := mapEdit{base: noUIDs}
	list, err := readNumbers(ctx, q, sqlUIDs, is.key)
	if err != nil {
		return nil, "", err
	}
	for _, x := range list {
		uids.add(uint32(x[0]))
	}
	right := uids.done()
	if len(m.minus(right, 1<<32-1))+len(right.minus(m, 1<<32-1)) > 0 || m.n != right.n {
		what += " the map of UIDs is wrong"
	}
	fits, err := contentsFit(ctx, q, is.key, list)
	if err != nil {
		return nil, "", err
	}
	if !fits {
		what += " the kept contents are wrong"
	}
	if what == "" {
		return nil, "", nil
	}
	f.row = must
	return func(ctx context.Context, tx *sqldb.Tx) error { return mendFolder(ctx, tx, &must, right) }, what, nil
}

func (r *folderRow) counters() [7]int64 {
	return [7]int64{int64(r.Messages), r.Size, int64(r.Unseen), int64(r.Deleted), r.DeletedSize, int64(r.Next), int64(r.ModSeq)}
}

func mendFolder(ctx context.Context, tx *sqldb.Tx, r *folderRow, m *uidMap) error {
	d := &draft{row: *r}
	if _, err := tx.Exec(ctx, sqlUpdateFolder, d.update()...); err != nil {
		return err
	}
	for _, query := range []string{sqlPurgeBlocks, sqlDropContents} { // those are kept anew some time
		if _, err := tx.Exec(ctx, query, r.key); err != nil {
			return err
		}
	}
	for _, b := range m.blocks {
		if _, err := tx.Exec(ctx, sqlPutBlock, r.key, b.at, b.bits.octets()); err != nil {
			return err
		}
	}
	return nil
}

// segments compares what is counted of each segment with the objects.
func (c *check) segments(ctx context.Context) error {
	is, must := map[uint64]blob.Use{}, map[uint64]blob.Use{}
	err := c.s.deps.DB.View(ctx, func(ctx context.Context, r *sqldb.Reader) error {
		rows, err := r.Query(ctx, sqlSegments)
		err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			u, err := scanUse(row)
			is[u.Segment] = u
			return err
		})
		if err != nil {
			return err
		}
		rows, err = r.Query(ctx, sqlAllRefs)
		return sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			_, ref, err := scanRef(row)
			u := must[ref.Segment]
			u.Segment = ref.Segment
			u.Add(ref)
			must[ref.Segment] = u
			return err
		})
	})
	for id := range is {
		if _, ok := must[id]; !ok {
			must[id] = blob.Use{Segment: id}
		}
	}
	for id, u := range must {
		if was := is[id]; err == nil && (was.Octets != u.Octets || was.Sum != u.Sum) {
			p := Problem{What: fmt.Sprintf("segment %d: %d octets live, %d are counted", id, u.Octets, was.Octets)}
			err = c.problem(ctx, p, func(ctx context.Context, tx *sqldb.Tx) error {
				if u.Octets == 0 {
					_, err := tx.Exec(ctx, sqlDropSegment, int64(id))
					return err
				}
				_, err := tx.Exec(ctx, sqlSetSegment, int64(id), u.Octets, int64(u.Sum))
				return err
			})
		}
	}
	return err
}
