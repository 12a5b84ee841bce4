package mailbox

import "context"

// maxStep is how many messages one transaction changes, copies or expunges: of
// more, others can write meanwhile.
const maxStep = 10_000

// How says what Change does with flags.
type How uint8

// Values of How.
const (
	AddFlags How = iota
	RemoveFlags
	SetFlags
)

// Changed is what Change did. Own changes are not told by Sync again.
type Changed struct {
	// Done are the messages that have the flags now, whether they changed or
	// not, in ascending order: UID, Seq, Flags, ModSeq.
	Done []Message
	// Modified are those that were not changed because their modification
	// sequence is above unchangedSince.
	Modified UIDs
	// Missed is how many had gone.
	Missed int
	// Keywords are the folder's, with those that are new.
	Keywords Keywords
}

// steps calls f with some of the UIDs after the other.
func (v *View) steps(uids UIDs, f func(list []uint32) error) error {
	var list []uint32
	var err error
	v.uids.each(uids, func(uid uint32) bool {
		if list = append(list, uid); len(list) == maxStep {
			err = f(list)
			list = list[:0]
		}
		return err == nil
	})
	if err == nil && len(list) > 0 {
		err = f(list)
	}
	return err
}

// Change changes flags and returns when that is durable. unchangedSince: RFC
// 7162's UNCHANGEDSINCE; nil: none. Flags are names; ErrName: not a flag's;
// ErrLimit: too many keywords. Of more than 10,000 messages some may have been
// changed when it fails.
func (v *View) Change(ctx context.Context, uids UIDs, how How, flags []string, unchangedSince *uint64) (*Changed, error) {
	if v.readOnly {
		return nil, ErrReadOnly
	}
	out := &Changed{Keywords: v.row.Keywords}
	err := v.steps(uids, func(list []uint32) error {
		o := &change{v: v, list: list, how: how, flags: flags, since: unchangedSince}
		if err := v.u.s.journal.do(ctx, o, v.f.user); err != nil {
			return err
		}
		out.Done = append(out.Done, o.done...)
		for _, uid := range o.modified {
			out.Modified.Add(uid)
		}
		out.Missed += o.missed
		out.Keywords = o.keywords
		return nil
	})
	return out, err
}

// change changes flags.
type change struct {
	v     *View
	list  []uint32
	how   How
	flags []string
	since *uint64

	done     []Message
	modified []uint32
	missed   int
	keywords Keywords
}

// plan implements op.
func (o *change) plan(ctx context.Context, p *plan) error {
	o.done, o.modified, o.missed = make([]Message, 0, len(o.list)), nil, 0
	d, err := p.folder(ctx, o.v.f)
	if err != nil {
		return err
	}
	flags, err := o.resolve(d)
	if err != nil {
		return err
	}
	if err := p.prefetch(ctx, d, o.list); err != nil {
		return err
	}
	modseq := uint64(0)
	for _, uid := range o.list {
		e, err := p.entry(ctx, d, uid)
		switch {
		case err != nil:
			return err
		case e == nil:
			o.missed++
			continue
		case o.since != nil && e.modseq > *o.since:
			o.modified = append(o.modified, uid)
			continue
		}
		if to := o.how.apply(e.flags, flags); to != e.flags {
			if modseq == 0 {
				modseq = d.step()
			}
			e = d.change(e, to, modseq, o.v)
		}
		o.done = append(o.done, Message{
			UID: uid, Seq: o.v.uids.seq(uid), Flags: e.flags, ModSeq: e.modseq, Size: e.size, Object: e.object, Date: e.date, Saved: e.saved, Sent: e.sent,
		})
	}
	if modseq == 0 && len(d.row.Keywords) != len(d.f.row.Keywords) {
		d.step() // they are to be written
	}
	o.keywords = d.row.Keywords
	return nil
}

// resolve makes flags of names.
func (o *change) resolve(d *draft) (flags Flags, err error) {
	before := d.row.Keywords
	for _, name := range o.flags {
		if o.how == RemoveFlags {
			flags |= d.row.Keywords.Flag(name)
			continue
		}
		f, err := d.flag(name)
		if err != nil {
			d.row.Keywords = before
			return 0, err
		}
		flags |= f
	}
	return flags, nil
}

func (h How) apply(is, flags Flags) Flags {
	switch h {
	case AddFlags:
		return is | flags
	case RemoveFlags:
		return is &^ flags
	}
	return flags
}

// Expunge removes those of the UIDs that have \Deleted, or all of them
// (always). The View has them until Sync. Of more than 10,000 some may have
// gone when it fails.
func (v *View) Expunge(ctx context.Context, uids UIDs, always bool) (gone UIDs, err error) {
	if v.readOnly {
		return nil, ErrReadOnly
	}
	v.f.user.mu.RLock()
	nothing := !always && v.f.row.Deleted == 0
	v.f.user.mu.RUnlock()
	if nothing {
		return nil, nil
	}
	err = v.steps(uids, func(list []uint32) error {
		o := &expunge{f: v.f, list: list, always: always}
		if err := v.u.s.journal.do(ctx, o, v.f.user); err != nil {
			return err
		}
		for _, r := range o.gone {
			gone.AddRange(r)
		}
		return nil
	})
	return gone, err
}

// expunge removes messages.
type expunge struct {
	f      *folderState
	list   []uint32
	always bool
	gone   UIDs
}

// plan implements op.
func (o *expunge) plan(ctx context.Context, p *plan) error {
	o.gone = nil
	d, err := p.folder(ctx, o.f)
	if err != nil {
		return err
	}
	if err := p.prefetch(ctx, d, o.list); err != nil {
		return err
	}
	var list []*entry
	for _, uid := range o.list {
		e, err := p.entry(ctx, d, uid)
		if err != nil {
			return err
		}
		if e != nil && (o.always || e.flags&Deleted != 0) {
			list = append(list, e)
		}
	}
	if len(list) > 0 {
		o.gone = p.remove(d, list, d.step())
	}
	return nil
}

// Copied is what Copy and Move did: From[i] is To[i] in the other folder, in
// ascending order.
type Copied struct {
	Folder   FolderID
	Validity uint32
	From, To []uint32
}

// Copy copies messages to another folder of the user, or to the same;
// ErrNoFolder, ErrQuota. Flags, dates and ids stay. Those that have gone are
// passed over. Of more than 10,000 some may have been copied when it fails.
func (v *View) Copy(ctx context.Context, uids UIDs, to string) (*Copied, error) {
	return v.transfer(ctx, uids, to, false)
}

// Move moves messages to another folder. The View has them until Sync.
func (v *View) Move(ctx context.Context, uids UIDs, to string) (*Copied, error) {
	if v.readOnly {
		return nil, ErrReadOnly
	}
	return v.transfer(ctx, uids, to, true)
}

func (v *View) transfer(ctx context.Context, uids UIDs, to string, move bool) (*Copied, error) {
	name, err := CleanName(to)
	if err != nil {
		return nil, ErrNoFolder
	}
	if !move {
		if err := v.u.s.deps.Reserve.Room(); err != nil {
			return nil, err
		}
	}
	out := &Copied{}
	empty := true
	step := func(list []uint32) error {
		empty = false
		o := &transfer{v: v, list: list, to: name, move: move}
		if err := v.u.s.journal.do(ctx, o, v.f.user); err != nil {
			return err
		}
		out.Folder, out.Validity = o.out.Folder, o.out.Validity
		out.From = append(out.From, o.out.From...)
		out.To = append(out.To, o.out.To...)
		return nil
	}
	err = v.steps(uids, step)
	if empty && err == nil { // whether the folder is there
		err = step(nil)
	}
	return out, err
}

// transfer copies or moves messages.
type transfer struct {
	v    *View
	list []uint32
	to   string
	move bool
	out  Copied
}

// plan implements op.
func (o *transfer) plan(ctx context.Context, p *plan) error {
	o.out = Copied{}
	src, err := p.folder(ctx, o.v.f)
	if err != nil {
		return err
	}
	f := p.find(o.v.f.user, o.to)
	if f == nil {
		return ErrNoFolder
	}
	dst, err := p.folder(ctx, f)
	if err != nil {
		return err
	}
	o.out.Folder, o.out.Validity = dst.row.ID, dst.row.Validity
	list, err := o.entries(ctx, p, src)
	if err != nil || len(list) == 0 {
		return err
	}
	return o.transfer(p, src, dst, list)
}

// entries returns the messages that are still there, and judges the quota.
func (o *transfer) entries(ctx context.Context, p *plan, src *draft) (list []*entry, err error) {
	if err := p.prefetch(ctx, src, o.list); err != nil {
		return nil, err
	}
	room := newRoom(p)
	for _, uid := range o.list {
		e, err := p.entry(ctx, src, uid)
		if err != nil {
			return nil, err
		}
		if e != nil {
			list = append(list, e)
			room.add(o.v.f.user, e.size, 1)
		}
	}
	if !o.move && !room.fits(ctx) {
		return nil, ErrQuota
	}
	return list, p.failed
}

func (o *transfer) transfer(p *plan, src, dst *draft, list []*entry) error {
	if uint64(dst.row.Next)+uint64(len(list)) >= 1<<32 {
		return ErrLimit
	}
	modseq := dst.step()
	objects := make([]ObjectID, 0, len(list))
	for _, e := range list {
		c := *e
		c.flags = dst.keywords(src.row.Keywords, e.flags)
		c.saved, c.modseq = p.now, modseq
		o.out.From = append(o.out.From, e.uid)
		o.out.To = append(o.out.To, dst.add(c))
		p.referTo(e.object, 1)
		objects = append(objects, e.object)
	}
	if o.move {
		p.remove(src, list, src.step())
	}
	p.moved(o.v.u.name, src.row.Role, dst.row.Role, objects)
	return nil
}
