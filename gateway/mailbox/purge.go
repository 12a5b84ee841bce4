package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// purgeStep is how many messages of a deleted folder one transaction
	// removes.
	purgeStep = 1000
	// tendEvery is how often what has expired is looked for.
	tendEvery = time.Hour
	// keepKeys is how many days deliveries are remembered.
	keepKeys = 7
	// forgetStep is how many remembered expunges one transaction forgets.
	forgetStep = 1000
)

const (
	sqlPurge        = `INSERT INTO mailbox_purges (folder) VALUES (?) ON CONFLICT (folder) DO NOTHING`
	sqlPurges       = `SELECT folder FROM mailbox_purges LIMIT 100`
	sqlPurgeSome    = `SELECT uid, object FROM mailbox_messages WHERE folder = ? ORDER BY uid LIMIT ?`
	sqlPurgeTo      = `DELETE FROM mailbox_messages WHERE folder = ? AND uid <= ?`
	sqlPurgeBlocks  = `DELETE FROM mailbox_blocks WHERE folder = ?`
	sqlPurgeHistory = `DELETE FROM mailbox_expunged WHERE folder = ?`
	sqlPurged       = `DELETE FROM mailbox_purges WHERE folder = ?`

	sqlForgetKeys = `DELETE FROM mailbox_keys WHERE key IN (SELECT key FROM mailbox_keys WHERE day < ? LIMIT ?)`
	sqlOldHistory = `SELECT folder, modseq FROM mailbox_expunged WHERE day < ? LIMIT ?`
	sqlForgetOld  = `DELETE FROM mailbox_expunged WHERE folder = ? AND modseq <= ?`
	sqlFolderOf   = `SELECT owner, id FROM mailbox_folders WHERE key = ?`

	sqlKeptRoles = `SELECT owner, id FROM mailbox_folders WHERE role = ? AND id > ? ORDER BY id LIMIT ?`
	sqlKeptNames = `SELECT owner, id FROM mailbox_folders WHERE name = ? AND id > ? ORDER BY id LIMIT ?`
	sqlOldest    = `SELECT uid, saved FROM mailbox_messages WHERE folder = ? AND uid > ? ORDER BY uid LIMIT ?`
)

// purgeSoon wakes the purge of folders that were deleted, and keepContents.
func (s *Store) purgeSoon() { wake(s.purges) }

// tend does what nobody waits for, until the store is closed.
func (s *Store) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		s.deps.Reserve.Keep()
		if err := s.purge(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Error("deleted folders could not be purged", "error", err.Error())
		}
		s.compact(s.ctx)
		if err := s.keepContents(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Error("what is in large folders could not be noted", "error", err.Error())
		}
		select {
		case <-s.purges:
		case <-tick.C:
			if err := s.Tidy(s.ctx); err != nil && s.ctx.Err() == nil {
				s.log.Error("mailboxes could not be tidied", "error", err.Error())
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// Tidy removes what has expired: messages that Options.Keep bounds, remembered
// deliveries and expunges; and prepares large folders for searches. A Store does
// it every hour.
func (s *Store) Tidy(ctx context.Context) error {
	if err := s.purge(ctx); err != nil {
		return err
	}
	if err := s.keepContents(ctx); err != nil {
		return err
	}
	today := time.Now().Unix() / day
	if err := s.forgetOld(ctx, today); err != nil {
		return fmt.Errorf("mailbox: forget: %w", err)
	}
	for name, keep := range s.options().Keep {
		if err := s.expire(ctx, name, keep); err != nil {
			return fmt.Errorf("mailbox: expire %s: %w", name, err)
		}
	}
	return nil
}

// purge removes the rows of deleted folders, some in each transaction.
func (s *Store) purge(ctx context.Context) error {
	for {
		keys, err := sqldb.Column[int64](s.deps.DB.Read().Query(ctx, sqlPurges))
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			for more := true; more; {
				err := s.journal.do(ctx, freeing{opFunc(func(ctx context.Context, p *plan) (err error) {
					more, err = p.purge(ctx, key)
					return err
				})})
				if err != nil {
					return err
				}
			}
		}
	}
}

// numbers reads rows of two numbers.
func (s *Store) numbers(ctx context.Context, query string, args ...any) ([][2]int64, error) {
	return readNumbers(ctx, s.deps.DB.Read(), query, args...)
}

func readNumbers(ctx context.Context, q sqldb.Querier, query string, args ...any) ([][2]int64, error) {
	rows, err := q.Query(ctx, query, args...)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (x [2]int64, err error) {
		err = row.Scan(&x[0], &x[1])
		return x, err
	})
}

// purge removes some rows of a deleted folder; false: there are no more.
func (p *plan) purge(ctx context.Context, key int64) (more bool, err error) {
	list, err := readNumbers(ctx, p.tx, sqlPurgeSome, key, purgeStep)
	if err != nil {
		return false, p.fail(err)
	}
	if len(list) == 0 {
		for _, query := range []string{sqlPurgeBlocks, sqlPurgeHistory, sqlDropContents, sqlPurged} {
			if _, err := p.exec(ctx, query, key); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	for _, x := range list {
		p.referTo(ObjectID(x[1]), -1)
	}
	_, err = p.exec(ctx, sqlPurgeTo, key, list[len(list)-1][0])
	return true, err
}

// forgetOld forgets deliveries and expunges of long ago.
func (s *Store) forgetOld(ctx context.Context, today int64) error {
	for n := int64(forgetStep); n == forgetStep; {
		err := s.write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(ctx, sqlForgetKeys, today-keepKeys, forgetStep)
			return err
		})
		if err != nil {
			return err
		}
	}
	err := s.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, sqlForgetOne, today)
		return err
	})
	if err != nil {
		return err
	}
	before := today - int64(s.options().Remember/(day*time.Second)) - 1
	for {
		list, err := s.numbers(ctx, sqlOldHistory, before, forgetStep)
		if err != nil || len(list) == 0 {
			return err
		}
		last := map[int64]int64{}
		for _, x := range list {
			last[x[0]] = max(last[x[0]], x[1])
		}
		for key, modseq := range last {
			if err := s.forgetExpunged(ctx, key, modseq); err != nil {
				return err
			}
		}
	}
}

// forgetExpunged forgets a folder's expunges up to a modification sequence.
func (s *Store) forgetExpunged(ctx context.Context, key, modseq int64) error {
	owners, err := s.numbers(ctx, sqlFolderOf, key)
	if err != nil {
		return err
	}
	var st *userState
	if len(owners) > 0 {
		if st, err = s.acquire(ctx, owners[0][0]); err != nil {
			return err
		}
		defer s.release(st)
	}
	return s.journal.do(ctx, opFunc(func(ctx context.Context, p *plan) error {
		if st != nil {
			for _, f := range p.folders(st) {
				if p.row(f).key != key {
					continue
				}
				d, err := p.folder(ctx, f)
				if err != nil {
					return err
				}
				d.row.forgotten = max(d.row.forgotten, uint64(modseq))
			}
		}
		if _, err := p.exec(ctx, sqlForgotten, modseq, key, modseq); err != nil {
			return err
		}
		_, err := p.exec(ctx, sqlForgetOld, key, modseq)
		return err
	}), concerned(st)...)
}

func concerned(st *userState) []*userState {
	if st == nil {
		return nil
	}
	return []*userState{st}
}

// expire expunges what has been in folders of a role or name for too long.
func (s *Store) expire(ctx context.Context, name string, keep time.Duration) error {
	var arg any = int64(roleNamed(name))
	query := sqlKeptRoles
	if roleNamed(name) == RoleNone {
		clean, err := CleanName(name)
		if err != nil {
			return err
		}
		arg, query = clean, sqlKeptNames
	}
	for last := int64(0); ; {
		list, err := s.numbers(ctx, query, arg, last, forgetStep)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, x := range list {
			last = x[1]
			if err := s.expireFolder(ctx, x[0], FolderID(x[1]), time.Now().Add(-keep).Unix()); err != nil {
				return err
			}
		}
	}
}

// expireFolder expunges what came into a folder before a time. UIDs are given
// in the order of coming.
func (s *Store) expireFolder(ctx context.Context, owner int64, id FolderID, before int64) error {
	st, err := s.acquire(ctx, owner)
	if err != nil {
		return err
	}
	defer s.release(st)
	st.mu.RLock()
	var f *folderState
	var key int64
	for _, g := range st.folders {
		if g.row.ID == id {
			f, key = g, g.row.key
		}
	}
	st.mu.RUnlock()
	if f == nil {
		return nil
	}
	for last, done := int64(0), false; !done; {
		list, err := s.numbers(ctx, sqlOldest, key, last, purgeStep)
		if err != nil {
			return err
		}
		done = len(list) < purgeStep
		o := &expunge{f: f, always: true}
		for _, x := range list {
			if last = x[0]; x[1] >= before {
				done = true
				break
			}
			o.list = append(o.list, uint32(x[0]))
		}
		if len(o.list) == 0 {
			return nil
		}
		if err := s.journal.do(ctx, o, st); err != nil {
			return err
		}
	}
	return nil
}

const (
	sqlDropSubscriptions = `DELETE FROM mailbox_subscriptions WHERE owner = ?`
)

// DeleteUser removes a user with all mail. ErrNoUser.
func (s *Store) DeleteUser(ctx context.Context, name string) error {
	u, err := s.Find(ctx, name)
	if err != nil {
		return err
	}
	return u.do(ctx, func(st *userState) (op, error) {
		return freeing{opFunc(func(ctx context.Context, p *plan) error {
			list := p.folders(st)
			for _, f := range list {
				if d := p.drafts[f]; d != nil && d.changed() {
					return errAgain
				}
			}
			for _, f := range list {
				if err := p.delete(ctx, f); err != nil {
					return err
				}
			}
			for _, query := range []string{sqlDropSubscriptions, sqlDropScripts, sqlDropAnnotated, sqlDropOnce, sqlDeleteUser} {
				if _, err := p.exec(ctx, query, st.id); err != nil {
					return err
				}
			}
			d := p.user(st)
			d.gone = true
			d.apply = append(d.apply, func() { st.gone = true })
			p.lastly = append(p.lastly, func() {
				s.mu.Lock()
				if s.hot[st.id] == st {
					s.forget(st)
				}
				s.mu.Unlock()
			})
			return nil
		})}, nil
	})
}
