package mailbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// day is in seconds.
const day = 24 * 60 * 60

// flush writes what was planned.
func (p *plan) flush(ctx context.Context) error {
	p.flushObjects(ctx)
	p.flushMessages(ctx)
	p.flushFolders(ctx)
	p.flushUsers(ctx)
	p.flushUses(ctx)
	p.flushEvents(ctx)
	return p.failed
}

// use counts octets that live from now on, or do not any more.
func (p *plan) use(ref blob.Ref, count func(*blob.Use, blob.Ref)) {
	u := p.uses[ref.Segment]
	if u == nil {
		u = &blob.Use{Segment: ref.Segment}
		p.uses[ref.Segment] = u
	}
	count(u, ref)
}

func (p *plan) flushObjects(ctx context.Context) {
	var rows [][]any
	for id, x := range p.fresh {
		if x.refs <= 0 { // came and went
			p.release = append(p.release, x.obj.ref)
			continue
		}
		o := x.obj
		rows = append(rows, []any{
			x.refs, int64(id), int64(o.ref.Segment), o.ref.Offset, o.ref.Size, o.indexed.Sent, int64(o.indexed.Thread), o.indexed.Record,
		})
		p.use(o.ref, (*blob.Use).Add)
		p.events = append(p.events, Event{Object: id})
	}
	p.many(ctx, sqlInsertObject, rows)
	rows = nil
	var fewer []ObjectID
	for _, id := range slices.Sorted(maps.Keys(p.refer)) {
		if by := p.refer[id]; by != 0 {
			rows = append(rows, []any{by, int64(id)})
			if by < 0 {
				fewer = append(fewer, id)
			}
		}
	}
	p.many(ctx, sqlRefer, rows)
	p.drop(ctx, fewer)
}

// drop removes those of the objects that nothing refers to any more.
func (p *plan) drop(ctx context.Context, ids []ObjectID) {
	for list := range slices.Chunk(ids, some) {
		if p.failed != nil {
			return
		}
		var gone [][]any
		rows, err := p.tx.Query(ctx, sqlUnreferred, marks(list)...)
		err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			id, ref, err := scanRef(row)
			if err != nil {
				return err
			}
			gone = append(gone, []any{int64(id)})
			p.dropped = append(p.dropped, id)
			p.release = append(p.release, ref)
			p.use(ref, (*blob.Use).Remove)
			p.events = append(p.events, Event{Object: id, Removed: true})
			return nil
		})
		if p.fail(err) != nil {
			return
		}
		p.many(ctx, sqlDeleteObject, gone)
	}
}

// marks are the arguments of a statement that asks for some ids.
func marks(list []ObjectID) []any {
	args := make([]any, some)
	for i := range args {
		args[i] = int64(list[min(i, len(list)-1)])
	}
	return args
}

type scanner interface{ Scan(dest ...any) error }

func scanRef(row scanner, more ...any) (id ObjectID, ref blob.Ref, err error) {
	var segment int64
	err = row.Scan(append([]any{&id, &segment, &ref.Offset, &ref.Size}, more...)...)
	ref.Segment = uint64(segment)
	return id, ref, err
}

func (p *plan) flushMessages(ctx context.Context) {
	var insert, update, remove, blocks, noBlocks, gone [][]any
	for _, d := range p.order {
		key := d.row.key
		for _, uid := range slices.Sorted(maps.Keys(d.entries)) {
			switch e := d.entries[uid]; {
			case e.fresh && e.gone:
			case e.fresh:
				insert = append(insert, []any{key, e.uid, int64(e.modseq), int64(e.flags), e.size, int64(e.object), e.date, e.saved, e.sent})
			case e.gone:
				remove = append(remove, []any{key, e.uid})
			default:
				update = append(update, []any{int64(e.flags), int64(e.modseq), key, e.uid})
			}
		}
		for at, b := range d.edit.edits {
			if *b == (bitmap{}) {
				noBlocks = append(noBlocks, []any{key, at})
			} else {
				blocks = append(blocks, []any{key, at, b.octets()})
			}
		}
		for _, x := range d.expunge {
			gone = append(gone, []any{key, int64(x.modseq), p.now / day, appendUIDs(nil, x.uids)})
		}
	}
	p.many(ctx, sqlInsertMessage, insert)
	p.many(ctx, sqlUpdateMessage, update)
	p.many(ctx, sqlDeleteMessage, remove)
	p.many(ctx, sqlPutBlock, blocks)
	p.many(ctx, sqlDeleteBlock, noBlocks)
	p.many(ctx, sqlInsertExpunged, gone)
}

func (p *plan) flushFolders(ctx context.Context) {
	var rows [][]any
	for _, d := range p.order {
		if d.row.ModSeq != d.f.row.ModSeq {
			rows = append(rows, d.update())
		}
	}
	p.many(ctx, sqlUpdateFolder, rows)
}

// update returns the columns of a changed row.
func (d *draft) update() []any {
	r := &d.row
	return []any{
		r.Next, int64(r.ModSeq), r.Messages, r.Unseen, r.Deleted, r.Size, r.DeletedSize, strings.Join(r.Keywords, " "), int64(r.ID),
	}
}

func (p *plan) flushUsers(ctx context.Context) {
	var usage, version [][]any
	for u, d := range p.users {
		if d.octets != 0 || d.messages != 0 {
			usage = append(usage, []any{d.octets, d.messages, u.id})
		}
		if d.changed {
			version = append(version, []any{u.id})
		}
		if p.s.shared && (d.changed || d.octets != 0 || len(d.drafts) > 0) {
			p.fail(p.tx.Notify(ctx, channel, fmt.Sprint(p.s.process, " ", u.id)))
		}
	}
	p.many(ctx, sqlUsage, usage)
	p.many(ctx, sqlUserVersion, version)
}

func (p *plan) flushUses(ctx context.Context) {
	var rows, empty [][]any
	for _, u := range p.uses {
		rows = append(rows, []any{int64(u.Segment), u.Octets, int64(u.Sum)})
		if u.Octets < 0 {
			empty = append(empty, []any{int64(u.Segment)})
		}
	}
	p.many(ctx, sqlSegment, rows)
	p.many(ctx, sqlEmptySegment, empty)
}

func (p *plan) flushEvents(ctx context.Context) {
	if !p.s.deps.Events || len(p.events) == 0 || p.failed != nil {
		p.events = nil
		return
	}
	n := int64(len(p.events))
	var next int64
	if p.fail(p.tx.QueryRow(ctx, sqlReserve, "event", n, n).Scan(&next)) != nil {
		return
	}
	rows := make([][]any, 0, n)
	for i, e := range p.events {
		rows = append(rows, []any{next - n + int64(i) + 1, int64(e.Object), e.Removed})
	}
	p.many(ctx, sqlInsertEvent, rows)
}

// apply makes memory what the database is.
func (p *plan) apply() {
	for u, d := range p.users {
		u.mu.Lock()
		u.octets += d.octets
		u.messages += d.messages
		if d.changed {
			u.version++
		}
		for _, f := range d.apply {
			f()
		}
		for _, x := range d.drafts {
			x.apply(p.s)
		}
		if d.changed {
			u.sort()
		}
		u.tell(d)
		u.mu.Unlock()
		p.s.domainUsed(u.domain, d.octets, d.messages)
	}
	p.s.objects.drop(p.dropped)
	for _, x := range p.fresh {
		x.obj.state.Store(stored)
		p.s.landed(x.obj.id)
		if x.refs > 0 {
			p.s.objects.put(x.obj.cached())
		}
	}
}

// apply makes a folder's state what its draft says. The user's mutex is held.
func (d *draft) apply(s *Store) {
	f := d.f
	d.row.Subscribed = f.user.subscribed[d.row.Name]
	if d.swapped {
		f.blocks, f.uids = nil, nil
		for _, l := range f.loads {
			l.dirty = true
		}
	}
	for uid := range d.entries {
		if l := f.loads[uid>>blockShift]; l != nil {
			l.dirty = true
		}
	}
	n := 0
	for _, uid := range slices.Sorted(maps.Keys(d.entries)) {
		e, at := d.entries[uid], uid>>blockShift
		b := f.blocks[at]
		if b == nil {
			// A block that has begun just now need not be read.
			if _, ok := d.edit.base.find(at); !e.fresh || ok {
				continue
			}
			if f.blocks == nil {
				f.blocks = map[uint32]*block{}
			}
			b = &block{}
			f.blocks[at] = b
		}
		n -= len(b.list)
		if e.gone {
			b.remove(uid)
		} else {
			b.put(&e.entry)
		}
		n += len(b.list)
	}
	f.row = d.row
	if f.uids != nil || len(d.edit.base.blocks) <= smallMap {
		f.uids = d.edit.done()
	}
	f.remember(d.log)
	if n != 0 {
		s.took(n)
	}
}

// smallMap is how many blocks of a folder's map are kept unasked.
const smallMap = 64

// remember logs changes of flags for the folder's views. The user's mutex is
// held.
func (f *folderState) remember(log []logged) {
	if len(f.views) == 0 {
		f.log, f.since = nil, f.row.ModSeq
		return
	}
	f.log = append(f.log, log...)
	if n := len(f.log) - maxLog; n > 0 {
		f.since = f.log[n-1].modseq
		f.log = append(f.log[:0], f.log[n:]...)
	}
}

// after does what nobody waits for.
func (p *plan) after() {
	if len(p.release) > 0 {
		p.s.deps.Blobs.Release(p.release...)
	}
	if len(p.events) > 0 {
		wake(p.s.eventsChanged)
	}
	for _, f := range p.lastly {
		f()
	}
}

// wake leaves a token in a channel of one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
