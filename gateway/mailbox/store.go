package mailbox

import (
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// idBlock is how many ids are reserved at once. A crash loses what is left.
const idBlock = 100_000

// Store keeps the mail of all users. Its methods, and those of User, may be
// called by many at once.
type Store struct {
	deps    Deps
	log     *slog.Logger
	opt     atomic.Pointer[Options]
	journal *journal
	objects objectCache
	write   func(ctx context.Context, f func(ctx context.Context, tx *sqldb.Tx) error) error
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	eventsChanged chan struct{}
	lessons       chan lesson // nil: nobody learns
	purges        chan struct{}

	// Where other processes write too.
	shared  bool
	process string        // tells our own notifications
	stale   chan struct{} // somebody's mail has changed
	deaf    atomic.Bool   // nothing tells us of it

	ids struct {
		sync.Mutex
		next, end int64
	}

	mu       sync.Mutex
	closed   bool
	hot      map[int64]*userState
	names    map[string]int64
	lru      list.List // of idle userStates, the last used first
	entries  int       // rows of messages in memory
	inFlight map[ObjectID]struct{}
	domains  map[string]*domainState
	locked   map[int64]struct{} // maildrops
}

// LiveBlobs lists what lives in each segment of the blob store of the
// mailboxes, for blob.OpenFilesUse or blob.OpenS3Use, before the Store is
// opened.
func LiveBlobs(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Use, error] {
	return func(yield func(blob.Use, error) bool) {
		fail := func(err error) { yield(blob.Use{}, fmt.Errorf("mailbox: %w", err)) }
		if err := db.Migrate(ctx, "mailbox", steps); err != nil {
			fail(err)
			return
		}
		rows, err := db.Read().Query(ctx, sqlSegments)
		list, err := sqldb.Collect(rows, err, scanUse)
		if err != nil {
			fail(err)
		}
		for _, use := range list {
			if !yield(use, nil) {
				return
			}
		}
	}
}

func scanUse(row *sqldb.Rows) (u blob.Use, err error) {
	var segment, sum int64
	err = row.Scan(&segment, &u.Octets, &sum)
	u.Segment, u.Sum = uint64(segment), uint64(sum)
	return u, err
}

// Open opens the store, and makes its tables where they are not there.
func Open(ctx context.Context, opt Options, deps Deps) (*Store, error) {
	if err := opt.Check(); err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	s := &Store{
		deps: deps, log: cmp.Or(deps.Log, slog.New(slog.DiscardHandler)), eventsChanged: make(chan struct{}, 1), purges: make(chan struct{}, 1),
		shared: deps.DB.Shared(), process: rand.Text(), stale: make(chan struct{}, 1),
		hot: map[int64]*userState{}, names: map[string]int64{}, inFlight: map[ObjectID]struct{}{},
		domains: map[string]*domainState{}, locked: map[int64]struct{}{},
	}
	if deps.Index == nil {
		s.deps.Index = indexer{}
	}
	s.Configure(opt)
	if s.write = deps.write; s.write == nil {
		s.write = deps.DB.Write
	}
	s.journal = newJournal(s)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := deps.DB.Migrate(ctx, "mailbox", steps); err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	if deps.Learner != nil {
		s.lessons = make(chan lesson, maxLessons)
		s.wg.Go(s.teach)
	}
	if deps.Metrics != nil {
		deps.Metrics.store.Store(s)
	}
	s.wg.Go(s.tend)
	if s.shared {
		s.deaf.Store(true)
		s.wg.Go(s.listen)
		s.wg.Go(s.catchUp)
	}
	return s, nil
}

// Configure takes new options.
func (s *Store) Configure(opt Options) {
	opt = opt.withDefaults()
	s.opt.Store(&opt)
}

func (s *Store) options() *Options { return s.opt.Load() }

// Close ends the store when what is being written is. Views must not be used
// after it.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	s.cancel()
	s.journal.close()
	s.wg.Wait()
	return nil
}

// newID gives a number that none of a user, folder, its key or an object ever
// had.
func (s *Store) newID(ctx context.Context) (int64, error) {
	s.ids.Lock()
	defer s.ids.Unlock()
	if s.ids.next == s.ids.end {
		var next int64
		err := s.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return tx.QueryRow(ctx, sqlReserve, "id", idBlock+1, idBlock).Scan(&next)
		})
		if err != nil {
			return 0, fmt.Errorf("mailbox: %w", err)
		}
		s.ids.next, s.ids.end = next-idBlock, next
	}
	s.ids.next++
	return s.ids.next - 1, nil
}

// maxUserName is the longest name of a user, in octets: an address's.
const maxUserName = 320

// cleanUser returns a user's name as it is stored.
func cleanUser(name string) (string, error) {
	name = strings.ToLower(name)
	if name == "" || len(name) > maxUserName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return "", fmt.Errorf("%w: %.64q is no name for a user", ErrName, name)
	}
	return name, nil
}

// Find returns a user that is there; ErrNoUser.
func (s *Store) Find(ctx context.Context, name string) (*User, error) {
	name, err := cleanUser(name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	id, ok := s.names[name]
	s.mu.Unlock()
	if ok {
		return &User{s: s, id: id, name: name}, nil
	}
	var version, octets, messages int64
	err = s.deps.DB.Read().QueryRow(ctx, sqlUser, name).Scan(&id, &name, &version, &octets, &messages)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, ErrNoUser
	}
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	return &User{s: s, id: id, name: name}, nil
}

// User returns the user of a name such as bob@example.com, in any case, and
// makes it with the default folders on first use.
func (s *Store) User(ctx context.Context, name string) (*User, error) {
	u, err := s.Find(ctx, name)
	if !errors.Is(err, ErrNoUser) {
		return u, err
	}
	if name, err = cleanUser(name); err != nil {
		return nil, err
	}
	if err := s.makeUser(ctx, name); err != nil {
		return nil, fmt.Errorf("mailbox: make %s: %w", name, err)
	}
	return s.Find(ctx, name)
}

// defaults are the folders that a user begins with.
var defaults = []struct {
	name string
	role Role
}{{Inbox, RoleInbox}, {"Archive", RoleArchive}, {"Drafts", RoleDrafts}, {"Junk", RoleJunk}, {"Sent", RoleSent}, {"Trash", RoleTrash}}

// makeUser makes a user, unless another has done it meanwhile.
func (s *Store) makeUser(ctx context.Context, name string) error {
	ids := make([]int64, 1+2*len(defaults))
	for i := range ids {
		var err error
		if ids[i], err = s.newID(ctx); err != nil {
			return err
		}
	}
	return s.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, sqlInsertUser, ids[0], name, domainOf(name))
		if err != nil || n == 0 {
			return err
		}
		var folders, subs [][]any
		for i, d := range defaults {
			validity, err := newValidity(ctx, tx)
			if err != nil {
				return err
			}
			row := folderRow{Folder: Folder{ID: FolderID(ids[1+2*i]), Name: d.name, Role: d.role, Validity: validity, Next: 1, ModSeq: 1}, key: ids[2+2*i]}
			folders = append(folders, row.insertion(ids[0]))
			subs = append(subs, []any{ids[0], d.name})
		}
		if _, err := tx.ExecMany(ctx, sqlInsertFolder, folders); err != nil {
			return err
		}
		_, err = tx.ExecMany(ctx, sqlSubscribe, subs)
		return err
	})
}

// newValidity gives a UIDVALIDITY that no folder ever had.
func newValidity(ctx context.Context, tx *sqldb.Tx) (uint32, error) {
	var next int64
	now := time.Now().Unix()
	err := tx.QueryRow(ctx, sqlValidity, now, now, now).Scan(&next)
	return uint32(next - 1), err
}

// insertion returns the columns of a new row.
func (r *folderRow) insertion(owner int64) []any {
	return []any{
		owner, int64(r.ID), r.Name, int64(r.Role), r.key, r.Validity, r.Next, int64(r.ModSeq), int64(r.forgotten),
		r.Messages, r.Unseen, r.Deleted, r.Size, r.DeletedSize, strings.Join(r.Keywords, " "),
	}
}

// Users lists the names of all users, in order.
func (s *Store) Users(ctx context.Context) iter.Seq2[string, error] {
	const page = 1000
	return func(yield func(string, error) bool) {
		for last := ""; ; {
			names, err := sqldb.Column[string](s.deps.DB.Read().Query(ctx, sqlUsers, last, page))
			if err != nil {
				yield("", fmt.Errorf("mailbox: %w", err))
				return
			}
			for _, last = range names {
				if !yield(last, nil) {
					return
				}
			}
			if len(names) < page {
				return
			}
		}
	}
}
