package learned

import (
	"context"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// pruneRows bounds what one transaction deletes.
	pruneRows = 2000
	// prunings is how many transactions follow each other before other work has
	// its turn.
	prunings = 5
)

// prune deletes what has expired or is too much. Where that is very much, as
// names are that strangers make up, the rest is deleted soon.
func (s *Store) prune(ctx context.Context) error {
	s.unpruned = false
	for range prunings {
		more, err := s.pruneSome(ctx)
		if err != nil {
			return fmt.Errorf("learned: prune: %w", err)
		}
		if s.unpruned = more; !more {
			return nil
		}
	}
	return nil
}

// pruneSome deletes some of it, and tells whether there is more. What it is takes
// long to find out where there is much of it, and is found out beside the
// transaction, for which all mail waits.
func (s *Store) pruneSome(ctx context.Context) (more bool, err error) {
	opt, now := s.opt.Load(), time.Now()
	s.applying.Lock()
	saved := s.savedTo
	s.applying.Unlock()
	rest, more, err := s.expired(ctx, opt, now)
	if err != nil {
		return false, err
	}
	many, err := s.over(ctx, "learned_lessons", opt.Lessons)
	if err != nil {
		return false, err
	}
	return more, s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		last, err := prunable(ctx, tx, saved)
		if err != nil {
			return err
		}
		return run(ctx, tx, append([]statement{
			{"DELETE FROM learned_lessons WHERE id IN (SELECT id FROM learned_lessons WHERE id <= ? AND (at < ? OR live = 0) ORDER BY id LIMIT ?)", []any{last, now.Add(-opt.Keep).Unix(), pruneRows}},
			{"DELETE FROM learned_lessons WHERE id IN (SELECT id FROM learned_lessons WHERE id <= ? ORDER BY id LIMIT ?)", []any{last, many}},
			{"DELETE FROM learned_lessons WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY username ORDER BY id DESC) AS k FROM learned_lessons WHERE username <> '') AS x WHERE k > ? AND id <= ? LIMIT ?)", []any{opt.UserLessons, last, pruneRows}},
			{"DELETE FROM learned_digests WHERE lesson NOT IN (SELECT id FROM learned_lessons)", nil},
			{"DELETE FROM learned_steps WHERE lesson NOT IN (SELECT id FROM learned_lessons)", nil},
		}, rest...))
	})
}

// prunable is the last lesson that may be deleted, where those up to saved are
// in the saved layers.
func prunable(ctx context.Context, tx *sqldb.Tx, saved int64) (int64, error) {
	// What an undoing that is not in the saved layers refers to is still needed.
	var first int64
	if err := tx.QueryRow(ctx, "SELECT COALESCE(MIN(undoes), ?) FROM learned_lessons WHERE id > ? AND undoes > 0", saved+1, saved).Scan(&first); err != nil {
		return 0, err
	}
	// The last lesson stays: what comes is numbered from it on, and numbers
	// that layers have learned already are passed over.
	var last int64
	err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(id), 0) FROM learned_lessons").Scan(&last)
	return min(saved, first-1, last-1), err
}

// over is how many rows of a table are too many, as far as one transaction
// deletes them.
func (s *Store) over(ctx context.Context, table string, room int) (int, error) {
	var n int
	err := s.deps.DB.Read().QueryRow(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n)
	return max(0, min(n-room, pruneRows)), err
}

// sightedOnce are names that were seen but once, and of which nobody said anything:
// most of them never come again.
const sightedOnce = "n <= 1 AND good = 0 AND bad = 0 AND replies = 0"

// surplus is how to delete names beyond those that there is room for: where most
// were seen once, as in a flood of such as are made up, of these, so that it
// does not have all others forgotten.
func (s *Store) surplus(ctx context.Context, room int) (x statement, n int, err error) {
	if n, err = s.over(ctx, "learned_reputation", room); n == 0 || err != nil {
		return x, n, err
	}
	var once int
	err = s.deps.DB.Read().QueryRow(ctx, "SELECT COUNT(*) FROM learned_reputation WHERE "+sightedOnce).Scan(&once)
	which := ""
	if once > room/2 {
		which = "WHERE " + sightedOnce + " "
	}
	return statement{"DELETE FROM learned_reputation WHERE name IN (SELECT name FROM learned_reputation " + which + "ORDER BY last LIMIT ?)", []any{n}}, n, err
}

// expired is how to delete what else has expired, or is too much; more: that is
// not all of it.
func (s *Store) expired(ctx context.Context, opt *Options, now time.Time) (list []statement, more bool, err error) {
	surplus, senders, err := s.surplus(ctx, opt.Senders)
	if err != nil {
		return nil, false, err
	}
	layers, err := s.over(ctx, "learned_layers", maxLayers)
	if err != nil {
		return nil, false, err
	}
	var sent int
	sentBefore := now.Add(-sentKept).Unix()
	err = s.deps.DB.Read().QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM learned_sent WHERE at < ? LIMIT ?) AS x", sentBefore, pruneRows).Scan(&sent)
	if err != nil {
		return nil, false, err
	}
	list = []statement{
		{"DELETE FROM learned_sent WHERE message IN (SELECT message FROM learned_sent WHERE at < ? ORDER BY at LIMIT ?)", []any{sentBefore, pruneRows}},
		{"DELETE FROM learned_layers WHERE name IN (SELECT name FROM learned_layers WHERE name <> '' ORDER BY used LIMIT ?)", []any{layers}},
		{"DELETE FROM learned_teachers WHERE day < ?", []any{now.Add(-opt.Forget).Unix() / 86400}},
	}
	if senders > 0 {
		list = append(list, surplus)
	}
	for _, user := range s.behind.writers() {
		var n int
		if err := s.deps.DB.Read().QueryRow(ctx, "SELECT COUNT(*) FROM learned_contacts WHERE username = ?", user).Scan(&n); err != nil {
			return nil, false, err
		}
		if n > opt.Contacts {
			list = append(list, statement{"DELETE FROM learned_contacts WHERE username = ? AND address IN (SELECT address FROM learned_contacts WHERE username = ? ORDER BY last DESC LIMIT ? OFFSET ?)", []any{user, user, pruneRows, opt.Contacts}})
		}
	}
	names, err := s.forgotten(ctx, opt, now)
	for _, name := range names {
		list = append(list, statement{"DELETE FROM learned_reputation WHERE name = ? AND last < ?", []any{name, now.Add(-opt.Forget / 4).Unix()}})
	}
	return list, max(senders, len(names), sent) == pruneRows, err
}

// forgotten are names without mail for long, or without a second message for some time.
func (s *Store) forgotten(ctx context.Context, opt *Options, now time.Time) ([]string, error) {
	return sqldb.Column[string](s.deps.DB.Read().Query(ctx, "SELECT name FROM learned_reputation WHERE last < ? AND (last < ? OR "+sightedOnce+") ORDER BY last LIMIT ?",
		now.Add(-opt.Forget/4).Unix(), now.Add(-opt.Forget).Unix(), pruneRows))
}
