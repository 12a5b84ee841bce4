package learned

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Use takes another base model, and learns the lessons that wait. What was
// learned above the old one stays, unless features are others now: then the
// lessons that are kept are of no use either, and all begins anew. The samples and the
// distribution of scores always do.
func (s *Store) Use(ctx context.Context, m *model.Model) error {
	if s.model.Swap(m) == m {
		return nil
	}
	if s.deps.Keep {
		if err := s.renew(ctx, m); err != nil {
			return err
		}
	}
	if !s.deps.Keep {
		return s.look(ctx)
	}
	return s.catchUp(ctx)
}

// looks is how often one who only asks begins anew.
const looks = 5

// look learns what is not in the saved layers yet, in memory alone. Where the
// gateway saves them meanwhile it begins anew, or lessons would count twice.
func (s *Store) look(ctx context.Context) error {
	for i := 0; ; i++ {
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		var saved int64
		err := s.deps.DB.Read().QueryRow(ctx, "SELECT value FROM learned_state WHERE name = 'applied'").Scan(&saved)
		if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return fmt.Errorf("learned: %w", err)
		}
		s.applying.Lock()
		same := saved == s.savedTo
		if !same {
			s.applied, s.savedTo, s.unsaved = saved, saved, 0
			s.forgetLayers()
		}
		s.applying.Unlock()
		if same || i == looks {
			return nil
		}
		if err := s.loadNames(ctx); err != nil {
			return err
		}
	}
}

// forgetLayers empties the memory. s.applying is held.
func (s *Store) forgetLayers() {
	s.layers.mu.Lock()
	s.layers.held, s.layers.names = map[string]*held{}, map[string]struct{}{}
	s.layers.changes++
	s.layers.mu.Unlock()
	clear(s.steps)
	clear(s.dropped)
}

// renew drops what was of another base.
func (s *Store) renew(ctx context.Context, m *model.Model) error {
	features, err := s.differs(ctx, "features", model.FeaturesVersion)
	if err != nil {
		return err
	}
	base, err := s.differs(ctx, "base", baseID(m))
	if err != nil {
		return err
	}
	if features {
		s.deps.Log.Warn("spam: this version sees other features in a message: what was learned begins anew")
		if err := s.dropAll(ctx); err != nil {
			return err
		}
	}
	if base {
		err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return run(ctx, tx, []statement{{"DELETE FROM learned_samples", nil}, {"DELETE FROM learned_scores", nil}})
		})
		if err != nil {
			return fmt.Errorf("learned: %w", err)
		}
		s.watch.forget()
		s.measure(time.Now())
	}
	return nil
}

// differs remembers a number, and tells whether it was another.
func (s *Store) differs(ctx context.Context, name string, value int64) (bool, error) {
	var old int64
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		old = value
		err := tx.QueryRow(ctx, "SELECT value FROM learned_state WHERE name = ?", name).Scan(&old)
		if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO learned_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("learned: %w", err)
	}
	return old != value, nil
}

// dropAll deletes all layers and lessons.
func (s *Store) dropAll(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return run(ctx, tx, []statement{
			{"DELETE FROM learned_layers", nil},
			{"DELETE FROM learned_steps", nil},
			{"DELETE FROM learned_digests", nil},
			{"UPDATE learned_lessons SET live = 0", nil},
		})
	})
	if err != nil {
		return fmt.Errorf("learned: %w", err)
	}
	s.forgetLayers()
	return nil
}

// baseID tells one base from another.
func baseID(m *model.Model) int64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%+v", m.About())
	return int64(h.Sum64())
}
