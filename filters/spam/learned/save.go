package learned

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// layersBase is the format of features that layers are of.
const layersBase = model.FeaturesVersion

// save writes the layers that have changed, with what each lesson did to them and
// the number of the last one, all at once. s.applying is held.
func (s *Store) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	dirty, list, err := s.changed()
	if err != nil {
		return err
	}
	if s.unsaved == 0 && len(list) == 0 {
		return nil
	}
	list = append(list, statement{"INSERT INTO learned_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", []any{"applied", s.applied}})
	if err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return run(ctx, tx, list) }); err != nil {
		return fmt.Errorf("learned: save: %w", err)
	}
	x := &s.layers
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, h := range dirty {
		h.dirty = false
	}
	x.changes++
	x.evict(s.opt.Load().Memory)
	clear(s.steps)
	clear(s.dropped)
	s.unsaved = 0
	s.savedTo = s.applied
	return nil
}

const (
	saveLayer = `INSERT INTO learned_layers (name, applied, base, used, data) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET applied = excluded.applied, base = excluded.base, used = excluded.used, data = excluded.data`
	saveStep = `INSERT INTO learned_steps (lesson, layer, step) VALUES (?, ?, ?) ON CONFLICT (lesson, layer) DO UPDATE SET step = excluded.step`
)

// changed returns what is to be saved.
func (s *Store) changed() (dirty []*held, list []statement, err error) {
	names := map[string]*held{}
	s.layers.mu.Lock()
	for name, h := range s.layers.held {
		if h.dirty {
			names[name], dirty = h, append(dirty, h)
		}
	}
	s.layers.mu.Unlock()
	for name, h := range names {
		var b bytes.Buffer
		if _, err := h.layer.WriteTo(&b); err != nil {
			return nil, nil, fmt.Errorf("learned: layer %q: %w", name, err)
		}
		list = append(list, statement{saveLayer, []any{name, s.applied, fmt.Sprint(layersBase), time.Now().Unix(), b.Bytes()}})
	}
	for name := range s.dropped {
		list = append(list, statement{"DELETE FROM learned_layers WHERE name = ?", []any{name}})
	}
	for k, step := range s.steps {
		data, err := step.AppendBinary(nil)
		if err != nil {
			return nil, nil, fmt.Errorf("learned: step: %w", err)
		}
		list = append(list, statement{saveStep, []any{k.lesson, k.layer, data}})
	}
	return dirty, list, nil
}

// pruneRows bounds what one transaction deletes.
const pruneRows = 2000

// prune deletes some of what has expired or is too much.
func (s *Store) prune(ctx context.Context) error {
	opt, now := s.opt.Load(), time.Now()
	s.applying.Lock()
	saved := s.savedTo
	s.applying.Unlock()
	over := func(ctx context.Context, tx *sqldb.Tx, table string, room int) (int, error) {
		var n int
		err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n)
		return max(0, min(n-room, pruneRows)), err
	}
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		// What an undoing that is not in the saved layers refers to is still needed.
		var first int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MIN(undoes), ?) FROM learned_lessons WHERE id > ? AND undoes > 0", saved+1, saved).Scan(&first); err != nil {
			return err
		}
		// The last lesson stays: what comes is numbered from it on, and numbers
		// that layers have learned already are passed over.
		var last int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(id), 0) FROM learned_lessons").Scan(&last); err != nil {
			return err
		}
		saved := min(saved, first-1, last-1)
		many, err := over(ctx, tx, "learned_lessons", opt.Lessons)
		if err != nil {
			return err
		}
		lessons := []statement{
			{"DELETE FROM learned_lessons WHERE id IN (SELECT id FROM learned_lessons WHERE id <= ? AND (at < ? OR live = 0) ORDER BY id LIMIT ?)", []any{saved, now.Add(-opt.Keep).Unix(), pruneRows}},
			{"DELETE FROM learned_lessons WHERE id IN (SELECT id FROM learned_lessons WHERE id <= ? ORDER BY id LIMIT ?)", []any{saved, many}},
			{"DELETE FROM learned_lessons WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY username ORDER BY id DESC) AS k FROM learned_lessons WHERE username <> '') AS x WHERE k > ? AND id <= ? LIMIT ?)", []any{opt.UserLessons, saved, pruneRows}},
			{"DELETE FROM learned_digests WHERE lesson NOT IN (SELECT id FROM learned_lessons)", nil},
			{"DELETE FROM learned_steps WHERE lesson NOT IN (SELECT id FROM learned_lessons)", nil},
		}
		return s.pruneRest(ctx, tx, lessons, over, opt, now)
	})
	if err != nil {
		return fmt.Errorf("learned: prune: %w", err)
	}
	return nil
}

func (s *Store) pruneRest(ctx context.Context, tx *sqldb.Tx, list []statement, over func(context.Context, *sqldb.Tx, string, int) (int, error), opt *Options, now time.Time) error {
	senders, err := over(ctx, tx, "learned_reputation", opt.Senders)
	if err != nil {
		return err
	}
	layers, err := over(ctx, tx, "learned_layers", maxLayers)
	if err != nil {
		return err
	}
	list = append(list,
		// A name that was seen once is mostly one that never comes again.
		statement{"DELETE FROM learned_reputation WHERE name IN (SELECT name FROM learned_reputation WHERE last < ? OR last < ? AND n <= 1 AND good = 0 AND bad = 0 AND replies = 0 ORDER BY last LIMIT ?)", []any{now.Add(-opt.Forget).Unix(), now.Add(-opt.Forget / 4).Unix(), pruneRows}},
		statement{"DELETE FROM learned_reputation WHERE name IN (SELECT name FROM learned_reputation ORDER BY last LIMIT ?)", []any{senders}},
		statement{"DELETE FROM learned_contacts WHERE (username, address) IN (SELECT username, address FROM (SELECT username, address, ROW_NUMBER() OVER (PARTITION BY username ORDER BY last DESC) AS k FROM learned_contacts) AS x WHERE k > ? LIMIT ?)", []any{opt.Contacts, pruneRows}},
		statement{"DELETE FROM learned_sent WHERE message IN (SELECT message FROM learned_sent WHERE at < ? ORDER BY at LIMIT ?)", []any{now.Add(-sentKept).Unix(), pruneRows}},
		statement{"DELETE FROM learned_layers WHERE name IN (SELECT name FROM learned_layers WHERE name <> '' ORDER BY used LIMIT ?)", []any{layers}},
		statement{"DELETE FROM learned_teachers WHERE day < ?", []any{now.Add(-opt.Forget).Unix() / 86400}},
	)
	for _, x := range list {
		if _, err := tx.Exec(ctx, x.text, x.args...); err != nil {
			return err
		}
	}
	return nil
}
