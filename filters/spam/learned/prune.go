package learned

import (
	"context"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// pruneRows bounds what one transaction deletes.
const pruneRows = 2000

// prune deletes some of what has expired or is too much. What that is takes
// long to find out where there is much of it, and is found out beside the
// transaction, for which all mail waits.
func (s *Store) prune(ctx context.Context) error {
	opt, now := s.opt.Load(), time.Now()
	s.applying.Lock()
	saved := s.savedTo
	s.applying.Unlock()
	rest, err := s.expired(ctx, opt, now)
	if err != nil {
		return fmt.Errorf("learned: prune: %w", err)
	}
	many, err := s.over(ctx, "learned_lessons", opt.Lessons)
	if err != nil {
		return fmt.Errorf("learned: prune: %w", err)
	}
	err = s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
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
	if err != nil {
		return fmt.Errorf("learned: prune: %w", err)
	}
	return nil
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

// expired is how to delete what else has expired, or is too much.
func (s *Store) expired(ctx context.Context, opt *Options, now time.Time) ([]statement, error) {
	senders, err := s.over(ctx, "learned_reputation", opt.Senders)
	if err != nil {
		return nil, err
	}
	layers, err := s.over(ctx, "learned_layers", maxLayers)
	if err != nil {
		return nil, err
	}
	list := []statement{
		{"DELETE FROM learned_reputation WHERE name IN (SELECT name FROM learned_reputation ORDER BY last LIMIT ?)", []any{senders}},
		{"DELETE FROM learned_sent WHERE message IN (SELECT message FROM learned_sent WHERE at < ? ORDER BY at LIMIT ?)", []any{now.Add(-sentKept).Unix(), pruneRows}},
		{"DELETE FROM learned_layers WHERE name IN (SELECT name FROM learned_layers WHERE name <> '' ORDER BY used LIMIT ?)", []any{layers}},
		{"DELETE FROM learned_teachers WHERE day < ?", []any{now.Add(-opt.Forget).Unix() / 86400}},
	}
	for _, user := range s.behind.writers() {
		var n int
		if err := s.deps.DB.Read().QueryRow(ctx, "SELECT COUNT(*) FROM learned_contacts WHERE username = ?", user).Scan(&n); err != nil {
			return nil, err
		}
		if n > opt.Contacts {
			list = append(list, statement{"DELETE FROM learned_contacts WHERE username = ? AND address IN (SELECT address FROM learned_contacts WHERE username = ? ORDER BY last DESC LIMIT ? OFFSET ?)", []any{user, user, pruneRows, opt.Contacts}})
		}
	}
	names, err := s.forgotten(ctx, opt, now)
	for _, name := range names {
		list = append(list, statement{"DELETE FROM learned_reputation WHERE name = ? AND last < ?", []any{name, now.Add(-opt.Forget / 4).Unix()}})
	}
	return list, err
}

// forgotten are names without mail for long. One that was seen once is mostly
// one that never comes again.
func (s *Store) forgotten(ctx context.Context, opt *Options, now time.Time) ([]string, error) {
	return sqldb.Column[string](s.deps.DB.Read().Query(ctx, "SELECT name FROM learned_reputation WHERE last < ? AND (last < ? OR n <= 1 AND good = 0 AND bad = 0 AND replies = 0) ORDER BY last LIMIT ?",
		now.Add(-opt.Forget/4).Unix(), now.Add(-opt.Forget).Unix(), pruneRows))
}
