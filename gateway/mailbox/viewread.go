package mailbox

import (
	"context"
	"errors"
	"sync"

	"github.com/gapura-mail/gapura/gateway/blob"
)

// readAhead is how many messages Messages gets at a time.
const readAhead = some

// scratch is what Messages works with.
type scratch struct {
	list    [readAhead]Message
	ids     [readAhead]ObjectID
	objects []*object
}

var scratches = sync.Pool{New: func() any { return &scratch{objects: make([]*object, 0, readAhead)} }}

// Messages calls f for each message in ascending order, with Record and Thread
// where records is set. Flags are the newest ones, which Sync may tell again.
// Messages that have gone meanwhile are passed over; missed is how many. The
// Message is good during the call, its Record for longer. f may take its time.
func (v *View) Messages(ctx context.Context, uids UIDs, records bool, f func(m *Message) error) (missed int, err error) {
	b := scratches.Get().(*scratch)
	defer scratches.Put(b)
	for _, r := range uids {
		for uid := v.uids.from(r.First); uid != 0 && uid <= r.Last; {
			n, next, gone, err := v.gather(ctx, b, uid, r.Last)
			missed += gone
			if err == nil && records {
				err = v.records(ctx, b, n)
			}
			if err != nil {
				return missed, err
			}
			for i := range b.list[:n] {
				m := &b.list[i]
				if records && m.Record == nil && m.Object == 0 {
					missed++
					continue
				}
				if err := f(m); err != nil {
					return missed, err
				}
			}
			uid = next
		}
	}
	return missed, nil
}

// gather copies the rows of messages from uid on, of one block; next is where
// to go on, 0: nowhere.
func (v *View) gather(ctx context.Context, b *scratch, uid, last uint32) (n int, next uint32, gone int, err error) {
	at := uid >> blockShift
	st := v.f.user
	for {
		st.mu.RLock()
		block := v.f.blocks[at]
		if block == nil && !v.f.gone {
			st.mu.RUnlock()
			if err := v.u.s.loadBlock(ctx, v.f, at); err != nil {
				return 0, 0, 0, err
			}
			continue
		}
		if block == nil {
			block = &block0
		}
		seq := v.uids.seq(uid)
		for ; uid != 0 && uid <= last && uid>>blockShift == at && n < readAhead; seq++ {
			if i, ok := block.find(uid); ok && v.f.uids.has(uid) {
				e := &block.list[i]
				b.list[n] = Message{
					UID: uid, Seq: seq, Flags: e.flags, ModSeq: e.modseq, Size: e.size, Object: e.object,
					Date: e.date, Saved: e.saved, Sent: e.sent,
				}
				n++
			} else {
				gone++
			}
			if uid++; uid != 0 {
				uid = v.uids.from(uid)
			}
		}
		st.mu.RUnlock()
		return n, uid, gone, nil
	}
}

// block0 is an empty block.
var block0 block

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

// ChangedSince returns those of the UIDs whose modification sequence is above
// modseq.
func (v *View) ChangedSince(ctx context.Context, modseq uint64, uids UIDs) (out UIDs, err error) {
	if modseq >= v.row.ModSeq {
		return nil, nil
	}
	if v.allLoaded() {
		_, err = v.Messages(ctx, uids, false, func(m *Message) error {
			if m.ModSeq > modseq {
				out.Add(m.UID)
			}
			return nil
		})
		return out, err
	}
	rows, err := v.u.s.deps.DB.Read().Query(ctx, sqlChanged, v.row.key, int64(modseq))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var uid uint32
		if err := rows.Scan(&uid); err != nil {
			return nil, err
		}
		if v.uids.has(uid) && uids.Contains(uid) {
			out.Add(uid)
		}
	}
	return out, rows.Err()
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

// VanishedSince returns those of the UIDs below UIDNEXT that are not in the
// View and were expunged after modseq. Where that is not remembered any more it
// is all of them that are not there (RFC 7162 section 3.2.5.1 lets us).
func (v *View) VanishedSince(ctx context.Context, modseq uint64, uids UIDs) (out UIDs, err error) {
	if modseq >= v.row.ModSeq {
		return nil, nil
	}
	v.f.user.mu.RLock()
	forgotten := v.f.row.forgotten
	v.f.user.mu.RUnlock()
	if modseq < forgotten {
		return v.missing(uids), nil
	}
	rows, err := v.u.s.deps.DB.Read().Query(ctx, sqlExpunged, v.row.key, int64(modseq))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var gone UIDs
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if err := eachRange(b, func(r Range) { gone.AddRange(r) }); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return gone.And(v.missing(uids)), nil
}

// missing returns those of the UIDs below UIDNEXT that are not there.
func (v *View) missing(uids UIDs) (out UIDs) {
	for _, r := range uids {
		last := min(r.Last, v.row.Next-1)
		for at := max(r.First, 1); at <= last; {
			uid := v.uids.from(at)
			if uid == 0 || uid > last {
				out.AddRange(Range{at, last})
				break
			}
			if uid > at {
				out.AddRange(Range{at, uid - 1})
			}
			at = uid + 1
		}
	}
	return out
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
	_, err = v.Messages(ctx, AllUIDs, false, func(m *Message) error {
		if _, ok := objects[m.Object]; ok {
			out.Add(m.UID)
		}
		return nil
	})
	return out, err
}
