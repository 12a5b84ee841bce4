package mailbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// channel is where processes tell each other whose mail has changed: the
// process, a space, the user's id.
const channel = "gapura_mailbox"

// listenAgain is how long a lost connection to LISTEN is left alone.
const listenAgain = time.Second

// listen wakes sessions of what other processes do, until the store is closed.
func (s *Store) listen() {
	for s.ctx.Err() == nil {
		err := s.deps.DB.Listen(s.ctx, channel, s.refreshHot, s.heard)
		s.deaf.Store(true)
		if s.ctx.Err() != nil {
			return
		}
		s.log.Warn("changes of other processes come late", "error", err.Error())
		select {
		case <-time.After(listenAgain):
		case <-s.ctx.Done():
		}
	}
}

// heard takes up a notification.
func (s *Store) heard(payload string) {
	process, user, _ := strings.Cut(payload, " ")
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil || process == s.process {
		return
	}
	s.mu.Lock()
	u := s.hot[id]
	defer s.mu.Unlock()
	if u != nil {
		if u.stale = true; u.pins > 0 {
			wake(s.stale)
		}
	}
}

// refreshHot takes up what was missed while nobody listened.
func (s *Store) refreshHot() {
	s.mu.Lock()
	for _, u := range s.hot {
		u.stale = true
	}
	s.mu.Unlock()
	s.deaf.Store(false)
	wake(s.stale)
}

// catchUp refreshes users that sessions look at, when others have changed them.
func (s *Store) catchUp() {
	for {
		select {
		case <-s.stale:
		case <-s.ctx.Done():
			return
		}
		var list []*userState
		s.mu.Lock()
		for _, u := range s.hot {
			if u.stale && u.pins > 0 {
				u.pins++
				list = append(list, u)
			}
		}
		s.mu.Unlock()
		for part := range slices.Chunk(list, maxBatch) {
			err := s.journal.do(s.ctx, opFunc(func(context.Context, *plan) error { return nil }), part...)
			if err != nil && s.ctx.Err() == nil {
				s.log.Error("changes of other processes", "error", err.Error())
			}
		}
		for _, u := range list {
			s.release(u)
		}
	}
}

// refresh takes up what other processes have written about a user.
func (s *Store) refresh(ctx context.Context, u *userState) error {
	if !s.shared {
		return nil
	}
	return s.journal.do(ctx, opFunc(func(context.Context, *plan) error { return nil }), u)
}

// refreshIn makes memory what the database is, before anything is planned. Its
// transaction has the write lock and has written nothing about mailboxes yet, so
// that what it sees is durable.
func (s *Store) refreshIn(ctx context.Context, tx *sqldb.Tx, u *userState) error {
	select {
	case <-u.ready:
	default:
		return nil // it is just being loaded
	}
	if u.err != nil || u.gone {
		return nil
	}
	fresh := &userState{id: u.id}
	err := s.readUser(ctx, tx, fresh)
	if errors.Is(err, ErrNoUser) {
		fresh.gone, err = true, nil
	}
	if err != nil {
		return err
	}
	s.setStale(u, false)
	u.mu.Lock()
	defer u.mu.Unlock()
	d := &userDraft{}
	if err := s.mergeFolders(ctx, tx, u, fresh.folders, d); err != nil {
		s.setStale(u, true) // who uses it next tries again
		u.tell(d)           // what has been taken up is no news by then
		return err
	}
	if fresh.gone || fresh.version != u.version {
		if u.script, u.gone = nil, fresh.gone; u.gone {
			s.mu.Lock()
			s.forget(u)
			s.mu.Unlock()
		}
		u.scripts++
		u.subscribed = fresh.subscribed
	}
	u.version, u.octets, u.messages = fresh.version, fresh.octets, fresh.messages
	u.tell(d)
	return nil
}

// setStale notes whether another process has written about a user what is not
// in memory.
func (s *Store) setStale(u *userState, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.stale = stale
}

// mergeFolders makes u's folders those of fresh; after an error, those before
// the one that could not be read. The user's mutex is held.
func (s *Store) mergeFolders(ctx context.Context, tx *sqldb.Tx, u *userState, fresh []*folderState, d *userDraft) error {
	old := make(map[FolderID]*folderState, len(u.folders))
	for _, f := range u.folders {
		old[f.row.ID] = f
	}
	list := make([]*folderState, 0, len(fresh))
	var created []news
	for _, x := range fresh {
		f := old[x.row.ID]
		delete(old, x.row.ID)
		switch {
		case f == nil:
			x.user = u
			f = x
			created = append(created, news{f: f, created: true})
		case f.row.ModSeq != x.row.ModSeq || f.row.key != x.row.key:
			change, err := s.mergeFolder(ctx, tx, f, &x.row)
			if err != nil {
				return err
			}
			d.drafts = append(d.drafts, change)
		}
		if f.row.Name != x.row.Name {
			d.news = append(d.news, news{f: f, old: f.row.Name})
		}
		if f.row.Subscribed != x.row.Subscribed {
			d.news = append(d.news, news{f: f, subscribed: true})
		}
		f.row = x.row
		list = append(list, f)
	}
	for _, f := range old {
		f.gone = true
		f.notify()
		d.news = append(d.news, news{f: f, removed: true})
	}
	d.news = append(d.news, created...)
	u.folders = list
	u.sort()
	return nil
}

// mergeFolder takes up what has changed in a folder; the row is the caller's to
// replace. The user's mutex is held.
func (s *Store) mergeFolder(ctx context.Context, tx *sqldb.Tx, f *folderState, row *folderRow) (*draft, error) {
	d := &draft{f: f, added: row.Next > f.row.Next, flagged: true}
	for _, l := range f.loads {
		l.dirty = true
	}
	if f.row.key != row.key {
		f.blocks, d.swapped = nil, true
	}
	if f.uids == nil && len(f.views) == 0 { // nobody looks at it: it is read when it is wanted
		f.blocks, f.log, f.since = nil, nil, row.ModSeq
		return d, nil
	}
	m, err := readMap(ctx, tx, row.key)
	if err != nil {
		return nil, err
	}
	for uid := range f.uids.minus(m, 1<<32-1).All() {
		if b := f.blocks[uid>>blockShift]; b != nil {
			b.remove(uid)
		}
		d.expunge = []expunged{{}}
	}
	var log []logged
	rows, err := tx.Query(ctx, sqlMessagesSince, row.key, int64(f.row.ModSeq))
	err = scanEntries(rows, err, func(e *entry) {
		if b := f.blocks[e.uid>>blockShift]; b != nil {
			b.put(e)
		}
		if e.uid < f.row.Next {
			log = append(log, logged{e.modseq, e.uid, nil})
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(log, func(a, b logged) int { return cmp.Or(cmp.Compare(a.modseq, b.modseq), cmp.Compare(a.uid, b.uid)) })
	f.uids = m
	modseq := f.row.ModSeq
	f.row.ModSeq = row.ModSeq
	f.remember(log)
	f.row.ModSeq = modseq
	return d, nil
}
