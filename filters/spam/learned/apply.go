package learned

import (
	"context"
	"fmt"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

const (
	// readLessons is how many lessons are read at once.
	readLessons = 64
	// maxUnsaved is how many lessons are learned before the layers are saved
	// at once.
	maxUnsaved = 1000
)

// event is one entry of the log of lessons.
type event struct {
	id, undoes int64
	user       string
	spam       bool
	weights
	vector []byte
}

// stepKey names what one lesson did to one layer.
type stepKey struct {
	lesson int64
	layer  string
}

// catchUp learns all lessons that came since the last one that was learned.
func (s *Store) catchUp(ctx context.Context) error {
	if s.model.Load() == nil {
		return nil
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	for {
		list, err := s.events(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if err := s.apply(ctx, e); err != nil {
				return err
			}
			s.applied = e.id
			s.unsaved++
		}
		if s.deps.Keep && s.unsaved >= maxUnsaved {
			if err := s.save(ctx); err != nil {
				return err
			}
		}
	}
}

// events reads the next lessons.
func (s *Store) events(ctx context.Context) ([]event, error) {
	rows, err := s.deps.DB.Read().Query(ctx, "SELECT id, undoes, username, spam, own, shared_domain, shared_all, vector FROM learned_lessons WHERE id > ? ORDER BY id LIMIT ?", s.applied, readLessons)
	if err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	defer rows.Close()
	var list []event
	for rows.Next() {
		var e event
		var spam int
		if err := rows.Scan(&e.id, &e.undoes, &e.user, &spam, &e.own, &e.domain, &e.all, &e.vector); err != nil {
			return nil, fmt.Errorf("learned: lessons: %w", err)
		}
		e.spam = spam != 0
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	return list, nil
}

// apply learns, or unlearns, one lesson.
func (s *Store) apply(ctx context.Context, e event) error {
	if e.undoes == dropLayer {
		s.layers.drop(e.user)
		s.dropped[e.user] = struct{}{}
		return nil
	}
	if e.undoes != 0 {
		return s.unlearn(ctx, e)
	}
	v := &model.Vector{}
	if err := v.UnmarshalBinary(e.vector); err != nil {
		s.deps.Log.Warn("spam: a lesson of other features is passed over", "lesson", e.id, "error", err.Error())
		return nil
	}
	return s.each(ctx, e, func(name string, below []*model.Layer, l *model.Layer, w float64) error {
		s.steps[stepKey{e.id, name}] = l.Learn(s.model.Load(), below, v, e.spam, w)
		return nil
	})
}

// of is what a lesson weighs in a layer.
func (e event) of(layer string) float64 {
	switch {
	case layer == installation:
		if e.user == "" {
			return e.all
		}
		return 0
	case layer == everybody:
		if e.user != "" {
			return e.all
		}
		return 0
	case layer[0] == '@':
		return e.domain
	}
	return e.own
}

// each calls f for each layer that a lesson changes, the lowest first.
func (s *Store) each(ctx context.Context, e event, f func(name string, below []*model.Layer, l *model.Layer, w float64) error) error {
	names := chain(e.user)
	below := make([]*model.Layer, 0, len(names))
	for _, name := range names {
		w := e.of(name)
		if w == 0 {
			below = append(below, s.layerBelow(ctx, name)...)
			continue
		}
		l, err := s.forLearning(ctx, name)
		if err != nil {
			return err
		}
		if err := f(name, below, l, w); err != nil {
			return err
		}
		s.layers.bound(name, l)
		delete(s.dropped, name)
		below = append(below, l)
	}
	return nil
}

// layerBelow returns a layer that is not changed, if there is one.
func (s *Store) layerBelow(ctx context.Context, name string) []*model.Layer {
	l, ok := s.layers.get(name)
	if l == nil && ok {
		l, _ = s.load(ctx, name)
	}
	if l == nil {
		return nil
	}
	return []*model.Layer{l}
}
