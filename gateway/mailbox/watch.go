package mailbox

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// news is what happened to a folder, beside its messages.
type news struct {
	f                                       *folderState
	created, removed, subscribed, annotated bool
	old                                     string // name before
}

// FolderChange is one folder's news since the last Take.
type FolderChange struct {
	Folder Folder // as it is now; after Removed: as it was
	// What happened. Renamed: Old is the name before.
	Created, Removed, Subscribed, Annotated bool
	Old                                     string
	// Appended, Expunged, Flagged: messages came, went, or changed.
	Appended, Expunged, Flagged bool
}

// Watch gathers what changes in a user's folders. It is for one goroutine.
type Watch struct {
	s    *Store
	st   *userState
	wake chan struct{}
	call func() // nil: none
	end  sync.Once

	mu     sync.Mutex
	set    map[*folderState]*FolderChange
	server bool // annotations of the server have changed
}

// Watch tells of what changes in any of the user's folders (NOTIFY), and which
// folders there are. Close it.
//
// onChange, when not nil, is called when there is something to Take, with locks
// held: it must be quick, and call nothing of the Store.
func (u *User) Watch(ctx context.Context, onChange func()) (*Watch, error) {
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return nil, err
	}
	w := &Watch{s: u.s, st: st, wake: make(chan struct{}, 1), call: onChange}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.watches == nil {
		st.watches = map[*Watch]struct{}{}
	}
	st.watches[w] = struct{}{}
	return w, nil
}

// Changed has a token when there is something to Take.
func (w *Watch) Changed() <-chan struct{} { return w.wake }

// Take returns what changed since it was called last, each folder once, by
// name.
//
// A change of the server's annotations is one of a Folder without an ID.
func (w *Watch) Take() []FolderChange {
	w.mu.Lock()
	set, server := w.set, w.server
	w.set, w.server = nil, false
	w.mu.Unlock()
	list := make([]FolderChange, 0, len(set)+1)
	if server {
		list = append(list, FolderChange{Annotated: true})
	}
	w.st.mu.RLock()
	for f, c := range set {
		c.Folder = f.folder()
		if !(c.Created && c.Removed) {
			list = append(list, *c)
		}
	}
	w.st.mu.RUnlock()
	slices.SortFunc(list, func(a, b FolderChange) int {
		return cmp.Or(compareNames(a.Folder.Name, b.Folder.Name), cmp.Compare(a.Folder.ID, b.Folder.ID))
	})
	return list
}

// Close ends it. It may be called twice.
func (w *Watch) Close() {
	w.end.Do(func() {
		w.st.mu.Lock()
		delete(w.st.watches, w)
		w.st.mu.Unlock()
		w.s.release(w.st)
	})
}

// note adds to what is to be taken.
func (w *Watch) note(d *userDraft) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set == nil {
		w.set = map[*folderState]*FolderChange{}
	}
	of := func(f *folderState) *FolderChange {
		if w.set[f] == nil {
			w.set[f] = &FolderChange{}
		}
		return w.set[f]
	}
	for _, n := range d.news {
		if n.f == nil {
			w.server = true
			continue
		}
		c := of(n.f)
		c.Created = c.Created || n.created
		c.Removed = c.Removed || n.removed
		c.Subscribed = c.Subscribed || n.subscribed
		c.Annotated = c.Annotated || n.annotated
		c.Old = cmp.Or(c.Old, n.old)
	}
	for _, x := range d.drafts {
		if x.added || x.flagged || len(x.expunge) > 0 {
			c := of(x.f)
			c.Appended = c.Appended || x.added
			c.Flagged = c.Flagged || x.flagged
			c.Expunged = c.Expunged || len(x.expunge) > 0 || x.swapped
		}
	}
	wake(w.wake)
	if w.call != nil {
		w.call()
	}
}

// tell wakes views and watches. The user's mutex is held.
func (u *userState) tell(d *userDraft) {
	for _, x := range d.drafts {
		x.f.notify()
	}
	if len(d.news) == 0 && len(d.drafts) == 0 {
		return
	}
	for w := range u.watches {
		w.note(d)
	}
}
