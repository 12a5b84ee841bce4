package mailbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// readAhead is how many messages Messages gets at a time.
const readAhead = some

const (
	// wholeBlock is how many messages of a block must be asked for at a time
	// to have all of it in memory. Of fewer just these rows are read.
	wholeBlock = 8
	// smallFolder is how many blocks a folder may have whose blocks are always
	// loaded whole.
	smallFolder = 8
)

// scratch is what Messages works with.
type scratch struct {
	list    [readAhead]Message
	ids     [readAhead]ObjectID
	objects []*object
	sparse  []uint32
}

var scratches = sync.Pool{New: func() any { return &scratch{objects: make([]*object, 0, readAhead)} }}

// cursor walks over those of a set that are in a map.
type cursor struct {
	m        *uidMap
	set      UIDs   // ranges from the current one on
	uid, seq uint32 // the next in the current range; 0: it is to be looked for
}

// next gives the next UID with its sequence number; 0: there is none.
func (c *cursor) next() (uid, seq uint32) {
	for len(c.set) > 0 {
		if c.uid == 0 {
			if c.uid = c.m.from(max(c.set[0].First, 1)); c.uid == 0 {
				break // nothing there, nor behind it
			}
			c.seq = c.m.below(c.uid) + 1
		}
		if c.uid > c.set[0].Last {
			c.set, c.uid = c.set[1:], 0
			continue
		}
		uid, seq = c.uid, c.seq
		if c.uid, c.seq = c.m.after(c.uid), c.seq+1; c.uid == 0 {
			c.set = nil
		}
		return uid, seq
	}
	c.set = nil
	return 0, 0
}

// Messages calls f for each message in ascending order, with Record and Thread
// where records is set. Flags are the newest ones, which Sync may tell again.
// Messages that have gone meanwhile are passed over; missed is how many. The
// Message is good during the call, its Record for longer. f may take its time.
func (v *View) Messages(ctx context.Context, uids UIDs, records bool, f func(m *Message) error) (missed int, err error) {
	b := scratches.Get().(*scratch)
	defer scratches.Put(b)
	c := cursor{m: v.uids, set: uids}
	for {
		n := 0
		for ; n < readAhead; n++ {
			uid, seq := c.next()
			if uid == 0 {
				break
			}
			b.list[n] = Message{UID: uid, Seq: seq}
		}
		if n == 0 {
			return missed, nil
		}
		err := ctx.Err()
		if err == nil {
			err = v.gather(ctx, b, n)
		}
		if err == nil && records {
			err = v.records(ctx, b, n)
		}
		if err != nil {
			return missed, err
		}
		for i := range b.list[:n] {
			m := &b.list[i]
			if m.Object == 0 {
				missed++
				continue
			}
			if err := f(m); err != nil {
				return missed, err
			}
		}
	}
}

// gather fills in the rows of n messages. Those that have gone have Object 0.
func (v *View) gather(ctx context.Context, b *scratch, n int) error {
	v.resting.Store(false)
	if v.fromMemory(b, n) {
		return nil
	}
	b.sparse = b.sparse[:0]
	for i := 0; i < n; {
		first, at := i, b.list[i].UID>>blockShift
		for i < n && b.list[i].UID>>blockShift == at {
			i++
		}
		if v.inMemory(at) {
			continue
		}
		if i-first >= wholeBlock || len(v.uids.blocks) <= smallFolder {
			if err := v.u.s.loadBlock(ctx, v.f, at); err != nil {
				return err
			}
			continue
		}
		for _, m := range b.list[first:i] {
			b.sparse = append(b.sparse, m.UID)
		}
	}
	v.fromMemory(b, n)
	if len(b.sparse) == 0 {
		return nil
	}
	i := 0
	return readSome(ctx, v.u.s.deps.DB.Read(), v.row.key, b.sparse, func(e *entry) {
		for b.list[i].UID != e.uid {
			i++
		}
		b.list[i].from(e)
	})
}

// from takes over a row.
func (m *Message) from(e *entry) {
	m.Flags, m.ModSeq, m.Size, m.Object = e.flags, e.modseq, e.size, e.object
	m.Date, m.Saved, m.Sent = e.date, e.saved, e.sent
}

func (v *View) inMemory(at uint32) bool {
	v.f.user.mu.RLock()
	defer v.f.user.mu.RUnlock()
	return v.f.blocks[at] != nil || v.f.gone
}

// fromMemory fills in what is in memory, and tells whether that is all.
func (v *View) fromMemory(b *scratch, n int) (all bool) {
	f := v.f
	f.user.mu.RLock()
	defer f.user.mu.RUnlock()
	if all = true; f.gone {
		return all
	}
	var at uint32
	var last *block
	for i := range b.list[:n] {
		m := &b.list[i]
		if k := m.UID >> blockShift; last == nil || k != at {
			if at, last = k, f.blocks[k]; last == nil {
				all = false
				continue
			}
		}
		if j, ok := last.find(m.UID); ok && (f.uids == v.uids || f.uids.has(m.UID)) {
			m.from(&last.list[j])
		}
	}
	return all
}

// records adds the index records of n messages. Those without an object any
// more have none, and Object 0.
func (v *View) records(ctx context.Context, b *scratch, n int) (err error) {
	for i := range b.list[:n] {
		b.ids[i] = b.list[i].Object
	}
	if b.objects, err = v.u.s.objectsOf(ctx, b.ids[:n], b.objects); err != nil {
		return err
	}
	for i, o := range b.objects {
		if m := &b.list[i]; o == nil {
			m.Object = 0
		} else {
			m.Record, m.Thread = o.record, o.thread
		}
	}
	clear(b.objects)
	return nil
}

// Message returns one message with its Record; ErrExpunged where it has gone,
// or is not in the View.
func (v *View) Message(ctx context.Context, uid uint32) (out Message, err error) {
	found := false
	_, err = v.Messages(ctx, One(uid), true, func(m *Message) error {
		out, found = *m, true
		return nil
	})
	if err == nil && !found {
		err = ErrExpunged
	}
	return out, err
}

// Open reads a message's octets; ErrExpunged.
func (v *View) Open(ctx context.Context, m *Message) (blob.Reader, error) {
	return v.u.s.OpenObject(ctx, m.Object)
}

// maxUnseen bounds the messages that FirstUnseen looks at in vain.
const maxUnseen = 20_000

var errFound = errors.New("found")

// FirstUnseen returns the sequence number of the first message without \Seen;
// 0: there is none, or it would cost too much to tell.
func (v *View) FirstUnseen(ctx context.Context) (first uint32, err error) {
	if v.row.Unseen == 0 {
		return 0, nil
	}
	n := 0
	_, err = v.Messages(ctx, AllUIDs, false, func(m *Message) error {
		if m.Flags&Seen == 0 {
			first = m.Seq
		}
		if n++; first > 0 || n == maxUnseen {
			return errFound
		}
		return nil
	})
	if err == errFound {
		err = nil
	}
	return first, err
}

// maxScan is how many messages are looked at one by one in memory, rather than
// by an index on disk.
const maxScan = 50_000

// allLoaded tells whether all rows are in memory, and not too many.
func (v *View) allLoaded() bool {
	if v.uids.n > maxScan {
		return false
	}
	v.f.user.mu.RLock()
	defer v.f.user.mu.RUnlock()
	for _, b := range v.uids.blocks {
		if v.f.blocks[b.at] == nil {
			return false
		}
	}
	return true
}

// BySent lists messages in the order of Sent, then UID (SORT DATE; reverse:
// SORT REVERSE DATE), skip of them left out, most of them at most.
func (v *View) BySent(ctx context.Context, reverse bool, skip, most int) ([]uint32, error) {
	query := sqlBySent
	if reverse {
		query = sqlBySentReverse
	}
	out := make([]uint32, 0, min(most, int(v.uids.n)))
	// What the View does not have yet is passed over.
	extra := int64(v.f.next() - v.row.Next)
	rows, err := v.u.s.deps.DB.Read().Query(ctx, query, v.row.key, int64(skip)+int64(most)+extra)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for len(out) < most && rows.Next() {
		var uid uint32
		if err := rows.Scan(&uid); err != nil {
			return nil, err
		}
		if !v.uids.has(uid) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		out = append(out, uid)
	}
	return out, rows.Err()
}

// next is the folder's UIDNEXT now.
func (f *folderState) next() uint32 {
	f.user.mu.RLock()
	defer f.user.mu.RUnlock()
	return f.row.Next
}

// WithObjects returns the UIDs of the messages that have one of the objects:
// what a full-text search found.
func (v *View) WithObjects(ctx context.Context, objects map[ObjectID]struct{}) (out UIDs, err error) {
	if len(objects) == 0 {
		return nil, nil
	}
	if len(objects) <= maxObjects && !v.allLoaded() {
		var uids []uint32
		err := v.eachWith(ctx, slices.Collect(maps.Keys(objects)), func(_ ObjectID, uid uint32) { uids = append(uids, uid) })
		slices.Sort(uids)
		for _, uid := range uids {
			out.Add(uid)
		}
		return out, err
	}
	_, err = v.Messages(ctx, AllUIDs, false, func(m *Message) error {
		if _, ok := objects[m.Object]; ok {
			out.Add(m.UID)
		}
		return nil
	})
	return out, err
}

// maxObjects is how many objects are looked for one by one.
const maxObjects = 10_000

// eachWith calls f for the messages that have one of the objects, by the index,
// in no order.
func (v *View) eachWith(ctx context.Context, ids []ObjectID, f func(id ObjectID, uid uint32)) error {
	for part := range slices.Chunk(ids, some) {
		rows, err := v.u.s.deps.DB.Read().Query(ctx, sqlWithObjects, append([]any{v.row.key}, marks(part)...)...)
		err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			var id ObjectID
			var uid uint32
			err := row.Scan(&id, &uid)
			if err == nil && v.uids.has(uid) {
				f(id, uid)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
