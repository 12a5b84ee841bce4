package mailbox

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Item is a message to be stored in a folder.
type Item struct {
	User   *User
	Folder string
	// Create has the folder made where it is not there.
	Create bool
	Object *Object
	// Flags are names: system flags and keywords. What cannot be a keyword, or
	// is too much, is left out.
	Flags []string
	// Date is INTERNALDATE; zero: now.
	Date time.Time
	// Key makes storing idempotent: what was stored with the same key for the
	// same user in the same folder within a week is not stored again. "": no
	// key. A delivery has transaction id and recipient here.
	Key string
	// Over stores it even where the quota is exceeded.
	Over bool

	uploaded bool // by the user's own program
}

var errObject = errors.New("mailbox: the object was given up")

// Deliver stores messages, all of them or none, and returns when that is
// durable. An object may be in several items. Quota is judged for all
// together.
func (s *Store) Deliver(ctx context.Context, items ...Item) ([]Place, error) {
	o := &deliver{s: s, items: make([]delivery, len(items))}
	defer o.release()
	for i := range items {
		if err := o.prepare(ctx, &o.items[i], &items[i]); err != nil {
			return nil, err
		}
	}
	if err := s.journal.do(ctx, o, o.users()...); err != nil {
		o.doubt()
		return nil, err
	}
	return o.places, nil
}

// delivery is an Item and what is needed to plan it.
type delivery struct {
	*Item
	user   *userState
	folder string  // clean
	ids    []int64 // for folders that are made
	key    [keyTime + sha256.Size]byte
}

// deliver stores messages.
type deliver struct {
	s      *Store
	items  []delivery
	places []Place
}

func (o *deliver) prepare(ctx context.Context, d *delivery, item *Item) (err error) {
	d.Item = item
	if item.Object == nil || item.Object.state.Load() == discarded {
		return errObject
	}
	if d.folder, err = CleanName(item.Folder); err != nil {
		return err
	}
	if d.user, err = o.s.acquire(ctx, item.User.id); err != nil {
		return err
	}
	if item.Create {
		if d.ids, err = o.s.idsFor(ctx, d.user, d.folder); err != nil {
			return err
		}
	}
	return nil
}

func (o *deliver) users() []*userState {
	list := make([]*userState, len(o.items))
	for i := range o.items {
		list[i] = o.items[i].user
	}
	return list
}

func (o *deliver) release() {
	for i := range o.items {
		if u := o.items[i].user; u != nil {
			o.s.release(u)
		}
	}
}

// doubt notes that nobody knows whether rows were written.
func (o *deliver) doubt() {
	for i := range o.items {
		o.items[i].Object.state.CompareAndSwap(pending, doubtful)
	}
}

// ready implements readier.
func (o *deliver) ready() error {
	for i := range o.items {
		if err := o.items[i].Object.ready(); err != nil {
			return err
		}
	}
	return nil
}

// plan implements op.
func (o *deliver) plan(ctx context.Context, p *plan) error {
	o.places = make([]Place, len(o.items))
	for i := range o.items {
		if p.left(o.items[i].user) {
			return ErrNoUser
		}
		if d := &o.items[i]; !d.Create && p.find(d.user, d.folder) == nil {
			return ErrNoFolder
		}
	}
	if err := o.judge(ctx, p); err != nil {
		return err
	}
	for i := range o.items {
		if err := o.planOne(ctx, p, &o.items[i], &o.places[i]); err != nil {
			return err
		}
	}
	return nil
}

// judge tells whether the items may be stored.
func (o *deliver) judge(ctx context.Context, p *plan) error {
	room := newRoom(p)
	for i := range o.items {
		d := &o.items[i]
		if d.Object.state.Load() == stored && p.fresh[d.Object.id] == nil {
			if _, err := readObject(ctx, p.tx, d.Object.id); err != nil {
				return p.sqlError(err)
			}
		}
		if d.Create && p.find(d.user, d.folder) == nil {
			if err := p.mayCreate(d.user, d.folder, len(d.ids)/2); err != nil {
				return err
			}
		}
		if !d.Over {
			room.add(d.user, d.Object.Size(), 1)
		}
	}
	if room.fits(ctx) {
		return p.failed
	}
	for i := range o.items { // what is known is not stored again
		known, err := o.known(ctx, p, &o.items[i])
		if err != nil {
			return p.fail(err)
		}
		if !known && !o.items[i].Over {
			return ErrQuota
		}
	}
	return nil
}

// sqlError is err, which is everybody's unless it is a known one.
func (p *plan) sqlError(err error) error {
	if errors.Is(err, ErrExpunged) {
		return err
	}
	return p.fail(err)
}

// keyTime is how many octets a remembered key begins with as Item.Key does.
// Transaction ids begin with their time: new keys lie side by side, where hashes
// alone would have each change a page of its own.
const keyTime = 8

// keyOf is what a delivery is remembered by.
func (d *delivery) keyOf(f *folderState) []byte {
	h := sha256.New()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(d.user.id))
	binary.BigEndian.PutUint64(b[8:], uint64(f.row.ID))
	h.Write(b[:])
	h.Write([]byte(d.Key))
	return h.Sum(append(d.key[:0], d.Key[:min(keyTime, len(d.Key))]...))[:keyTime+16]
}

func (o *deliver) known(ctx context.Context, p *plan, d *delivery) (bool, error) {
	f := p.find(d.user, d.folder)
	if d.Key == "" || f == nil {
		return false, nil
	}
	var n int
	err := p.tx.QueryRow(ctx, sqlKnown, d.keyOf(f)).Scan(&n)
	return n > 0, err
}

func (o *deliver) planOne(ctx context.Context, p *plan, d *delivery, place *Place) error {
	f := p.find(d.user, d.folder)
	if f == nil {
		var err error
		if f, err = p.create(ctx, d.user, d.folder, RoleNone, d.ids); err != nil {
			return err
		}
	}
	df, err := p.folder(ctx, f)
	if err != nil {
		return err
	}
	*place = Place{Folder: df.row.ID, Validity: df.row.Validity}
	if d.Key != "" {
		n, err := p.exec(ctx, sqlKey, d.keyOf(f), p.now/day)
		if err != nil {
			return err
		}
		if n == 0 {
			place.Known = true
			return nil
		}
	}
	if df.row.Next == 1<<32-1 {
		return p.fail(ErrLimit) // nobody ever gets here
	}
	e := entry{object: d.Object.id, size: d.Object.Size(), date: p.now, saved: p.now, modseq: df.step()}
	if !d.Date.IsZero() {
		e.date = d.Date.Unix()
	}
	if e.sent = d.Object.indexed.Sent; e.sent == 0 {
		e.sent = e.date
	}
	for _, name := range d.Flags {
		flag, _ := df.flag(name)
		e.flags |= flag
	}
	place.UID = df.add(e)
	p.deliverObject(d.Object)
	if d.uploaded && df.row.Role == RoleJunk { // as programs move mail that work without a connection
		p.learn(lesson{user: d.user.name, junk: true, uploaded: true}, []ObjectID{e.object})
	}
	return nil
}

// deliverObject counts a row of an object that may be new.
func (p *plan) deliverObject(o *Object) {
	x := p.fresh[o.id]
	switch {
	case x != nil:
		x.refs++
	case o.state.Load() == stored:
		p.refer[o.id]++
	default:
		p.fresh[o.id] = &freshObject{obj: o, refs: 1}
	}
}

// Append stores messages of the user's own program in one folder: the Items' User
// and Folder are set from u and folder. An error says that nothing was stored.
func (u *User) Append(ctx context.Context, folder string, items ...Item) ([]Place, error) {
	for i := range items {
		items[i].User, items[i].Folder, items[i].uploaded = u, folder, true
	}
	return u.s.Deliver(ctx, items...)
}

// Room tells whether a message of so many octets (0: any) fits into the user's
// and the domain's quota now: nil, or ErrQuota. It is for RCPT: it costs no
// statement for users seen lately, and nil is what it says of a user who is not
// there yet.
func (s *Store) Room(ctx context.Context, name string, size int64) error {
	limits, domain := s.limitsOf(name)
	if limits == (Limits{}) && domain == (Limits{}) {
		return nil
	}
	u, err := s.Find(ctx, name)
	if errors.Is(err, ErrNoUser) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := s.acquire(ctx, u.id)
	if err != nil {
		return err
	}
	defer s.release(st)
	st.mu.RLock()
	octets, messages := st.octets, st.messages
	st.mu.RUnlock()
	if limits.exceeded(octets+size, messages+1) {
		return ErrQuota
	}
	if domain == (Limits{}) {
		return nil
	}
	use, err := s.domainUse(ctx, s.deps.DB.Read(), st.domain)
	if err == nil && domain.exceeded(use.octets+size, use.messages+1) {
		return ErrQuota
	}
	return err
}
