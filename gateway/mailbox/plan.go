package mailbox

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// plan is what one transaction writes. Ops work on drafts of what is in memory,
// so that each sees what those before it do, and nothing has to be undone when
// the transaction fails.
type plan struct {
	s      *Store
	tx     *sqldb.Tx
	now    int64 // seconds since 1970
	failed error // a statement's

	users   map[*userState]*userDraft
	drafts  map[*folderState]*draft
	order   []*draft // the drafts as they came
	fresh   map[ObjectID]*freshObject
	refer   map[ObjectID]int64 // more or fewer rows of objects that were there
	release []blob.Ref
	dropped []ObjectID
	uses    map[uint64]*blob.Use
	events  []Event
	lastly  []func() // when all is durable and applied
}

type freshObject struct {
	obj  *Object
	refs int64
}

// userDraft is a user's change.
type userDraft struct {
	octets, messages int64                   // more or fewer
	names            map[string]*folderState // changed; nil: gone
	gone             bool
	changed          bool     // folders, subscriptions: the version counts on
	apply            []func() // with the user's mutex held
	drafts           []*draft
	news             []news // for watches, beside the drafts'
}

// draft is a folder's change.
type draft struct {
	f       *folderState
	user    *userDraft
	row     folderRow
	edit    mapEdit
	entries map[uint32]*draftEntry
	read    map[uint32]*entry // that are not in memory; nil: not there
	log     []logged
	added   bool
	flagged bool
	swapped bool // it has another key
	gone    bool
	expunge []expunged
}

type draftEntry struct {
	entry
	fresh, gone bool
}

type expunged struct {
	modseq uint64
	uids   UIDs
}

func newPlan(s *Store, tx *sqldb.Tx) *plan {
	return &plan{
		s: s, tx: tx, now: time.Now().Unix(), users: map[*userState]*userDraft{}, drafts: map[*folderState]*draft{},
		fresh: map[ObjectID]*freshObject{}, refer: map[ObjectID]int64{}, uses: map[uint64]*blob.Use{},
	}
}

// fail notes that a statement failed, which dooms the transaction.
func (p *plan) fail(err error) error {
	if err != nil && p.failed == nil {
		p.failed = err
	}
	return err
}

// many runs a statement for each row.
func (p *plan) many(ctx context.Context, query string, rows [][]any) {
	if len(rows) > 0 && p.failed == nil {
		_, err := p.tx.ExecMany(ctx, query, rows)
		p.fail(err)
	}
}

func (p *plan) exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := p.tx.Exec(ctx, query, args...)
	return n, p.fail(err)
}

// user returns the draft of a user.
func (p *plan) user(u *userState) *userDraft {
	d := p.users[u]
	if d == nil {
		d = &userDraft{names: map[string]*folderState{}}
		p.users[u] = d
	}
	return d
}

// left tells whether a user was deleted.
func (p *plan) left(u *userState) bool {
	d := p.users[u]
	return u.gone || d != nil && d.gone
}

// find returns a folder by its clean name; nil: there is none.
func (p *plan) find(u *userState, name string) *folderState {
	if d := p.users[u]; d != nil {
		if f, ok := d.names[name]; ok {
			return f
		}
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.find(name)
}

// folders lists the folders of a user as they will be.
func (p *plan) folders(u *userState) []*folderState {
	u.mu.RLock()
	list := slices.Clone(u.folders)
	u.mu.RUnlock()
	d := p.users[u]
	if d == nil {
		return list
	}
	list = slices.DeleteFunc(list, func(f *folderState) bool {
		_, changed := d.names[p.row(f).Name]
		_, was := d.names[f.row.Name]
		return changed || was
	})
	for _, f := range d.names {
		if f != nil {
			list = append(list, f)
		}
	}
	return list
}

// row returns a folder's row as it will be.
func (p *plan) row(f *folderState) *folderRow {
	if d := p.drafts[f]; d != nil {
		return &d.row
	}
	return &f.row
}

// folder returns the draft of a folder, with its map.
func (p *plan) folder(ctx context.Context, f *folderState) (*draft, error) {
	if d := p.drafts[f]; d != nil {
		if d.gone {
			return nil, ErrGone
		}
		return d, nil
	}
	if f.gone {
		return nil, ErrGone
	}
	f.user.mu.RLock()
	d := &draft{f: f, user: p.user(f.user), row: f.row, edit: mapEdit{base: f.uids}, entries: map[uint32]*draftEntry{}}
	f.user.mu.RUnlock()
	if d.edit.base == nil {
		m, err := readMap(ctx, p.tx, d.row.key)
		if err != nil {
			return nil, p.fail(err)
		}
		d.edit.base = m
	}
	p.drafts[f] = d
	p.order = append(p.order, d)
	d.user.drafts = append(d.user.drafts, d)
	return d, nil
}

// entry returns a message of a folder; nil: it is not there. It must not be
// changed but by d.change.
func (p *plan) entry(ctx context.Context, d *draft, uid uint32) (*entry, error) {
	if e := d.entries[uid]; e != nil {
		if e.gone {
			return nil, nil
		}
		return &e.entry, nil
	}
	if !d.edit.has(uid) {
		return nil, nil
	}
	d.f.user.mu.RLock()
	e, loaded := d.f.entry(uid)
	if e != nil {
		c := *e
		e = &c
	}
	d.f.user.mu.RUnlock()
	if loaded {
		return e, nil
	}
	if _, known := d.read[uid]; !known {
		if err := p.prefetch(ctx, d, []uint32{uid}); err != nil {
			return nil, err
		}
	}
	return d.read[uid], nil
}

// prefetch reads the rows of messages that are not in memory.
func (p *plan) prefetch(ctx context.Context, d *draft, uids []uint32) error {
	var missing []uint32
	d.f.user.mu.RLock()
	for _, uid := range uids {
		if d.f.blocks[uid>>blockShift] == nil && d.entries[uid] == nil && d.edit.has(uid) {
			if _, known := d.read[uid]; !known {
				missing = append(missing, uid)
			}
		}
	}
	d.f.user.mu.RUnlock()
	if len(missing) == 0 {
		return nil
	}
	if d.read == nil {
		d.read = make(map[uint32]*entry, len(missing))
	}
	for _, uid := range missing {
		d.read[uid] = nil
	}
	return p.fail(readSome(ctx, p.tx, d.row.key, missing, func(e *entry) {
		c := *e
		d.read[e.uid] = &c
	}))
}

// count changes the folder's counters for a message that comes (1) or goes
// (-1).
func (d *draft) count(e *entry, by int64) {
	d.row.Messages += uint32(by)
	d.row.Size += by * e.size
	d.user.octets += by * e.size
	d.user.messages += by
	d.countFlags(e, by)
}

func (d *draft) countFlags(e *entry, by int64) {
	if e.flags&Seen == 0 {
		d.row.Unseen += uint32(by)
	}
	if e.flags&Deleted != 0 {
		d.row.Deleted += uint32(by)
		d.row.DeletedSize += by * e.size
	}
}

// changed tells whether the folder's messages were changed in this transaction.
func (d *draft) changed() bool { return len(d.entries) > 0 || d.swapped }

// step gives the modification sequence of one op's change.
func (d *draft) step() uint64 {
	d.row.ModSeq++
	return d.row.ModSeq
}

// add adds a message under the next UID, and returns that.
func (d *draft) add(e entry) uint32 {
	e.uid = d.row.Next
	d.row.Next++
	d.entries[e.uid] = &draftEntry{entry: e, fresh: true}
	d.edit.add(e.uid)
	d.count(&e, 1)
	d.added = true
	return e.uid
}

// change gives a message other flags.
func (d *draft) change(e *entry, flags Flags, modseq uint64, by *View) *entry {
	x := d.entries[e.uid]
	if x == nil {
		x = &draftEntry{entry: *e}
		d.entries[e.uid] = x
	}
	d.countFlags(&x.entry, -1)
	x.flags, x.modseq = flags, modseq
	d.countFlags(&x.entry, 1)
	d.log = append(d.log, logged{modseq, e.uid, by})
	d.flagged = true
	return &x.entry
}

// remove removes messages.
func (p *plan) remove(d *draft, list []*entry, modseq uint64) UIDs {
	var uids UIDs
	for _, e := range list {
		x := d.entries[e.uid]
		if x == nil {
			x = &draftEntry{entry: *e}
			d.entries[e.uid] = x
		}
		x.gone = true
		d.edit.remove(e.uid)
		d.count(&x.entry, -1)
		p.referTo(e.object, -1)
		uids.Add(e.uid)
	}
	d.expunge = append(d.expunge, expunged{modseq, uids})
	return uids
}

// referTo counts a row that refers to an object, or does not any more.
func (p *plan) referTo(id ObjectID, by int64) {
	if o := p.fresh[id]; o != nil {
		o.refs += by
	} else {
		p.refer[id] += by
	}
}

// keywords maps flags of one folder to those of another, adding what it does
// not know; too many are left out.
func (d *draft) keywords(from Keywords, flags Flags) Flags {
	out := flags & System
	for _, name := range from.Names(flags &^ System) {
		f, _ := d.flag(name)
		out |= f
	}
	return out
}

// flag returns the flag of a name, which becomes a keyword where it is none
// yet; ErrLimit, and ErrName where no keyword can be called so.
func (d *draft) flag(name string) (Flags, error) {
	if f := d.row.Keywords.Flag(name); f != 0 {
		return f, nil
	}
	if !keyword(name) {
		return 0, ErrName
	}
	if len(d.row.Keywords) >= MaxKeywords {
		return 0, ErrLimit
	}
	d.row.Keywords = append(slices.Clip(d.row.Keywords), name)
	return 1 << (firstKeyword + len(d.row.Keywords) - 1), nil
}

// keyword tells whether a name can be a keyword: RFC 9051's atom.
func keyword(name string) bool {
	if name == "" || len(name) > MaxKeyword {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}
