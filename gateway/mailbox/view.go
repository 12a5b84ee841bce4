package mailbox

import (
	"context"
	"sync/atomic"
)

// View is what one session sees of one folder. Its methods are for one
// goroutine at a time, but for Changed. Wherever it takes UIDs, those that are
// not in the View are passed over.
type View struct {
	u        *User
	f        *folderState
	readOnly bool
	closed   bool

	// As of the last Sync. uids has what was expunged since and not told yet.
	row  folderRow
	uids *uidMap
	last Changes
	// What is \Recent here.
	recent UIDs

	wake    atomic.Pointer[chan struct{}]
	call    atomic.Pointer[func()]
	resting atomic.Bool
}

// Select opens a View of a folder; ErrNoFolder. Close it.
func (u *User) Select(ctx context.Context, name string, readOnly bool) (*View, error) {
	clean, err := CleanName(name)
	if err != nil {
		return nil, ErrNoFolder
	}
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return nil, err
	}
	v, err := u.open(ctx, st, clean, readOnly)
	if err != nil {
		u.s.release(st)
		return nil, err
	}
	return v, nil
}

// open makes the View of a folder of st.
func (u *User) open(ctx context.Context, st *userState, name string, readOnly bool) (*View, error) {
	for {
		st.mu.Lock()
		f := st.find(name)
		if f == nil {
			st.mu.Unlock()
			return nil, ErrNoFolder
		}
		if f.uids != nil {
			v := &View{u: u, f: f, row: f.row, uids: f.uids, readOnly: readOnly}
			v.takeRecent(1)
			if len(f.views) == 0 {
				f.log, f.since = nil, f.row.ModSeq
				f.views = map[*View]struct{}{}
			}
			f.views[v] = struct{}{}
			st.mu.Unlock()
			return v, nil
		}
		st.mu.Unlock()
		if err := u.s.loadMap(ctx, f); err != nil {
			return nil, err
		}
	}
}

// Close ends the View. It may be called twice.
func (v *View) Close() {
	if v.closed {
		return
	}
	v.closed = true
	st := v.f.user
	st.mu.Lock()
	delete(v.f.views, v)
	st.mu.Unlock()
	v.u.s.release(st)
}

// Folder returns the folder as of the last Sync: counters, UIDNEXT,
// HIGHESTMODSEQ, Keywords fit the messages of the View.
func (v *View) Folder() Folder { return v.row.Folder }

// User returns whose it is.
func (v *View) User() *User { return v.u }

// ReadOnly tells whether it was selected for reading.
func (v *View) ReadOnly() bool { return v.readOnly }

// Len is how many messages the View has: EXISTS.
func (v *View) Len() uint32 { return v.uids.n }

// UID returns the UID of a sequence number; 0: there is none.
func (v *View) UID(seq uint32) uint32 { return v.uids.uid(seq) }

// Seq returns the sequence number of a UID; 0: there is none.
func (v *View) Seq(uid uint32) uint32 { return v.uids.seq(uid) }

// UIDsOf returns the UIDs of sequence numbers; those beyond the last one are
// passed over.
func (v *View) UIDsOf(seqs UIDs) (out UIDs) {
	for _, r := range seqs {
		first, last := max(r.First, 1), min(r.Last, v.uids.n)
		if first > last {
			continue
		}
		from, to := v.uids.uid(first), v.uids.uid(last)
		if to-from == last-first {
			out.AddRange(Range{from, to})
			continue
		}
		for _, r := range v.uids.only(UIDs{{from, to}}) {
			out.AddRange(r)
		}
	}
	return out
}

// SeqsOf returns the sequence numbers of UIDs.
func (v *View) SeqsOf(uids UIDs) (out UIDs) {
	for _, r := range uids {
		if n := v.uids.count(r); n > 0 {
			first := v.uids.below(r.First) + 1
			out.AddRange(Range{first, first + n - 1})
		}
	}
	return out
}

// Only returns those of the UIDs that are in the View.
func (v *View) Only(uids UIDs) UIDs { return v.uids.only(uids) }

// Changed has a token when there may be something for Sync to tell.
func (v *View) Changed() <-chan struct{} {
	if c := v.wake.Load(); c != nil {
		return *c
	}
	c := make(chan struct{}, 1)
	c <- struct{}{} // something may have happened before
	v.wake.Store(&c)
	return c
}

// OnChange has f called when there may be something for Sync to tell, from now
// on, which costs a session that waits no goroutine; nil: no more. f is called
// with locks held: it must be quick, and call nothing of the Store. It may be
// called once more after OnChange(nil).
func (v *View) OnChange(f func()) {
	if f == nil {
		v.call.Store(nil)
		return
	}
	v.call.Store(&f)
}

// smallRest is how many rows of a folder stay in memory while all who look at
// it wait.
const smallRest = 100

// Rest gives back what the View holds in memory and can get again: for a
// session that is going to wait. It ends with the next use.
func (v *View) Rest() {
	v.last = Changes{}
	v.resting.Store(true)
	st := v.f.user
	st.mu.Lock()
	defer st.mu.Unlock()
	for other := range v.f.views {
		if !other.resting.Load() {
			return
		}
	}
	n := 0
	for _, b := range v.f.blocks {
		n += len(b.list)
	}
	if n > smallRest {
		v.f.blocks = nil
		v.u.s.took(-n)
	}
}

// notify wakes the views of a folder. The user's mutex is held.
func (f *folderState) notify() {
	for v := range f.views {
		if c := v.wake.Load(); c != nil {
			wake(*c)
		}
		if f := v.call.Load(); f != nil {
			(*f)()
		}
	}
}
