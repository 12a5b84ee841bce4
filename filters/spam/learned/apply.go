package learned

import (
	"context"
	"fmt"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// readLessons is how many lessons are read at once.
	readLessons = 64
	// readUndone is how many are taken back at once.
	readUndone = 1000
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
		for len(list) > 0 {
			n := undone(list)
			if n > 0 {
				err = s.unlearn(ctx, list[:n])
			} else {
				n, err = 1, s.apply(ctx, list[0])
			}
			if err != nil {
				return err
			}
			s.applied = list[n-1].id
			s.unsaved += n
			list = list[n:]
		}
		if s.deps.Keep && s.unsaved >= maxUnsaved {
			if err := s.save(ctx); err != nil {
				return err
			}
		}
	}
}

// undone is how many events at the front of a list take back lessons of one
// user.
func undone(list []event) (n int) {
	for n < len(list) && list[n].undoes > 0 && list[n].user == list[0].user {
		n++
	}
	return n
}

// events reads the next lessons. Where they begin with such as are taken back it
// reads many, which are done at once.
func (s *Store) events(ctx context.Context) ([]event, error) {
	list, err := s.readEvents(ctx, readLessons)
	if err == nil && len(list) == readLessons && undone(list) == readLessons {
		list, err = s.readEvents(ctx, readUndone)
		list = list[:undone(list)]
	}
	return list, err
}

func (s *Store) readEvents(ctx context.Context, n int) ([]event, error) {
	rows, err := s.deps.DB.Read().Query(ctx, "SELECT id, undoes, username, spam, own, shared_domain, shared_all, vector FROM learned_lessons WHERE id > ? ORDER BY id LIMIT ?", s.applied, n)
	list, err := sqldb.Collect(rows, err, func(row *sqldb.Rows) (e event, err error) {
		var spam int
		err = row.Scan(&e.id, &e.undoes, &e.user, &spam, &e.own, &e.domain, &e.all, &e.vector)
		e.spam = spam != 0
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	return list, nil
}

// apply learns one lesson, or drops a layer.
func (s *Store) apply(ctx context.Context, e event) error {
	if e.undoes == dropLayer {
		s.layers.drop(e.user)
		s.dropped[e.user] = struct{}{}
		return nil
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
	share := s.opt.Load().Share
	for _, name := range names {
		w := e.of(name)
		if w == 0 {
			if share.has(name) {
				below = append(below, s.layerBelow(ctx, name)...)
			}
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
		if share.has(name) {
			below = append(below, l)
		}
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
