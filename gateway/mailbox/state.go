package mailbox

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// maxHot is how many users without sessions are kept in memory.
	maxHot = 10_000
	// maxEntries is how many messages' rows are kept in memory.
	maxEntries = 1_000_000
	// maxLog is how many changes of flags a folder remembers for its views.
	maxLog = 2048
)

// userState is what memory knows of a user. It agrees with the database: what
// the journal has written is applied here before anybody hears of it.
type userState struct {
	id     int64
	name   string
	domain string

	// Of Store.mu.
	pins  int
	stale bool          // another process has changed it
	idle  *list.Element // in Store.lru; nil: pinned

	ready chan struct{} // closed when err and all below are set
	err   error

	mu         sync.RWMutex
	version    int64
	octets     int64
	messages   int64
	folders    []*folderState // INBOX first, then by name
	subscribed map[string]bool
	script     *Script // the active one, or not Active; nil: not known
	scripts    int     // how often scripts were changed
	gone       bool
	watches    map[*Watch]struct{}
}

// folderRow is a row of mailbox_folders.
type folderRow struct {
	Folder
	key       int64
	forgotten uint64 // expunges up to it are not remembered
}

// folderState is what memory knows of a folder. It is under the user's mutex.
type folderState struct {
	user   *userState
	row    folderRow
	gone   bool
	uids   *uidMap           // nil: not loaded
	blocks map[uint32]*block // those that are loaded
	loads  map[uint32]*load  // those that are being loaded
	views  map[*View]struct{}
	log    []logged // changes of flags after since
	since  uint64   // the log has all changes after it
	// recent is the UID from which messages are \Recent to the next View that
	// takes them up.
	recent atomic.Uint32
}

// logged is a change of one message's flags.
type logged struct {
	modseq uint64
	uid    uint32
	by     *View
}

// entry is a row of mailbox_messages.
type entry struct {
	uid               uint32
	flags             Flags
	modseq            uint64
	size              int64
	object            ObjectID
	date, saved, sent int64
}

// block is the loaded rows of a block of UIDs, in order.
type block struct{ list []entry }

func (b *block) find(uid uint32) (int, bool) {
	if k := len(b.list); k == 0 || b.list[k-1].uid < uid {
		return k, false
	}
	return slices.BinarySearchFunc(b.list, uid, func(e entry, uid uint32) int { return cmp.Compare(e.uid, uid) })
}

// put adds or replaces.
func (b *block) put(e *entry) {
	i, ok := b.find(e.uid)
	if ok {
		b.list[i] = *e
	} else {
		b.list = slices.Insert(b.list, i, *e)
	}
}

func (b *block) remove(uid uint32) {
	if i, ok := b.find(uid); ok {
		b.list = slices.Delete(b.list, i, i+1)
	}
}

// entry returns the loaded row of a message.
func (f *folderState) entry(uid uint32) (e *entry, loaded bool) {
	b := f.blocks[uid>>blockShift]
	if b == nil {
		return nil, false
	}
	if i, ok := b.find(uid); ok {
		return &b.list[i], true
	}
	return nil, true
}

// find returns the folder of a clean name. The mutex is held.
func (u *userState) find(name string) *folderState {
	i, ok := slices.BinarySearchFunc(u.folders, name, func(f *folderState, name string) int { return compareNames(f.row.Name, name) })
	if ok {
		return u.folders[i]
	}
	return nil
}

// sort puts the folders in order. The mutex is held.
func (u *userState) sort() {
	slices.SortFunc(u.folders, func(a, b *folderState) int { return compareNames(a.row.Name, b.row.Name) })
}

// compareNames orders INBOX first.
func compareNames(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == Inbox:
		return -1
	case b == Inbox:
		return 1
	}
	return strings.Compare(a, b)
}

// acquire returns a user's state, which stays in memory until release.
func (s *Store) acquire(ctx context.Context, id int64) (*userState, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	u, stale := s.hot[id], false
	if u == nil {
		u = &userState{id: id, ready: make(chan struct{})}
		s.hot[id] = u
		u.pins++
		s.mu.Unlock()
		s.load(ctx, u)
	} else {
		u.pins++
		stale = u.stale
		if u.idle != nil {
			s.lru.Remove(u.idle)
			u.idle = nil
		}
		s.mu.Unlock()
		select {
		case <-u.ready:
		case <-ctx.Done():
			s.release(u)
			return nil, ctx.Err()
		}
	}
	if err := u.err; err != nil {
		s.release(u)
		return nil, err
	}
	if stale || s.deaf.Load() {
		if err := s.refresh(ctx, u); err != nil {
			s.release(u)
			return nil, err
		}
	}
	return u, nil
}

// release ends what acquire or pin began.
func (s *Store) release(u *userState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.pins--; u.pins > 0 || s.hot[u.id] != u {
		return
	}
	if u.err != nil {
		s.forget(u)
		return
	}
	u.idle = s.lru.PushFront(u)
	for s.lru.Len() > maxHot {
		s.evict(s.lru.Back().Value.(*userState))
	}
}

// evict forgets an idle user. s.mu is held.
func (s *Store) evict(u *userState) {
	s.lru.Remove(u.idle)
	u.idle = nil
	s.forget(u)
	for _, f := range u.folders {
		for _, b := range f.blocks {
			s.entries -= len(b.list)
		}
		f.blocks = nil
	}
}

// forget takes a user out of the maps. s.mu is held.
func (s *Store) forget(u *userState) {
	delete(s.hot, u.id)
	if s.names[u.name] == u.id {
		delete(s.names, u.name)
	}
}

// took counts rows that were loaded, and makes room for them: by those of idle
// users, the longest idle first.
func (s *Store) took(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries += n
	for s.entries > maxEntries && s.lru.Len() > 0 {
		s.evict(s.lru.Back().Value.(*userState))
	}
}

// load reads a user's rows.
func (s *Store) load(ctx context.Context, u *userState) {
	defer close(u.ready)
	// Others may wait for it who have more time.
	u.err = s.deps.DB.View(context.WithoutCancel(ctx), func(ctx context.Context, r *sqldb.Reader) error {
		return s.readUser(ctx, r, u)
	})
	if u.err != nil {
		return
	}
	s.mu.Lock()
	s.names[u.name] = u.id
	s.mu.Unlock()
}

// readUser reads what there is of u.id.
func (s *Store) readUser(ctx context.Context, q sqldb.Querier, u *userState) error {
	err := q.QueryRow(ctx, sqlUserByID, u.id).Scan(&u.id, &u.name, &u.version, &u.octets, &u.messages)
	if errors.Is(err, sqldb.ErrNoRows) {
		return ErrNoUser
	}
	if err != nil {
		return err
	}
	u.domain = domainOf(u.name)
	rows, err := readFolders(ctx, q, sqlFolders, u.id)
	if err != nil {
		return err
	}
	u.folders = u.folders[:0]
	for _, row := range rows {
		f := &folderState{user: u, row: row}
		f.recent.Store(row.Next)
		u.folders = append(u.folders, f)
	}
	u.sort()
	u.subscribed, err = readNames(ctx, q, sqlSubscriptions, u.id)
	for _, f := range u.folders {
		f.row.Subscribed = u.subscribed[f.row.Name]
	}
	return err
}

func readNames(ctx context.Context, q sqldb.Querier, query string, id int64) (map[string]bool, error) {
	list, err := sqldb.Column[string](q.Query(ctx, query, id))
	names := make(map[string]bool, len(list))
	for _, name := range list {
		names[name] = true
	}
	return names, err
}

func readFolders(ctx context.Context, q sqldb.Querier, query string, arg int64) ([]folderRow, error) {
	rows, err := q.Query(ctx, query, arg)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (r folderRow, err error) {
		var modseq, forgotten int64
		var keywords string
		err = row.Scan(&r.ID, &r.Name, &r.Role, &r.key, &r.Validity, &r.Next, &modseq, &forgotten,
			&r.Messages, &r.Unseen, &r.Deleted, &r.Size, &r.DeletedSize, &keywords)
		r.ModSeq, r.forgotten = uint64(modseq), uint64(forgotten)
		if keywords != "" {
			r.Keywords = strings.Split(keywords, " ")
		}
		return r, err
	})
}

func domainOf(name string) string {
	_, domain, _ := strings.Cut(name, "@")
	return domain
}
