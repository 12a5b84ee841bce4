package learned

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// maxRewind is how many lessons that came after one that is undone are taken
// back and learned again, so that nothing of it is left. Of one that is followed by
// more only its own step is taken back.
const maxRewind = 500

// unlearn takes a lesson back in all layers.
func (s *Store) unlearn(ctx context.Context, e event) error {
	first, err := s.vectorOf(ctx, e.undoes)
	if first == nil || err != nil {
		return err
	}
	return s.each(ctx, e, func(name string, below []*model.Layer, l *model.Layer, _ float64) error {
		step, ok, err := s.step(ctx, stepKey{e.undoes, name})
		if err != nil || !ok {
			return err
		}
		later, err := s.since(ctx, e, name)
		if err != nil {
			return err
		}
		for _, x := range slices.Backward(later) {
			l.Undo(x.v, x.step)
		}
		l.Undo(first, step)
		for _, x := range later {
			s.steps[stepKey{x.id, name}] = l.Learn(s.model.Load(), below, x.v, x.spam, x.of(name))
		}
		return nil
	})
}

// vectorOf reads the vector of a lesson; nil: it is not kept, or was passed over.
func (s *Store) vectorOf(ctx context.Context, id int64) (*model.Vector, error) {
	var data []byte
	err := s.deps.DB.Read().QueryRow(ctx, "SELECT vector FROM learned_lessons WHERE id = ?", id).Scan(&data)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("learned: lesson %d: %w", id, err)
	}
	v := &model.Vector{}
	if v.UnmarshalBinary(data) != nil {
		return nil, nil
	}
	return v, nil
}

// applied is a lesson that is in a layer.
type applied struct {
	event
	v    *model.Vector
	step model.Step
}

// since returns the lessons that are in a layer and came after the one that e
// undoes; none where there are too many, or not all that it takes is kept.
func (s *Store) since(ctx context.Context, e event, layer string) ([]applied, error) {
	query := "SELECT id, username, spam, own, shared_domain, shared_all, vector FROM learned_lessons WHERE id > ? AND id < ? AND undoes = 0 AND id NOT IN (SELECT undoes FROM learned_lessons WHERE undoes > 0 AND id < ?)"
	args := []any{e.undoes, e.id, e.id}
	switch {
	case layer == installation:
		query += " AND username = '' AND shared_all > 0"
	case layer == everybody:
		query += " AND username <> '' AND shared_all > 0"
	case layer[0] == '@':
		query, args = query+" AND domain = ? AND shared_domain > 0", append(args, layer[1:])
	default:
		query, args = query+" AND username = ? AND own > 0", append(args, layer)
	}
	rows, err := s.deps.DB.Read().Query(ctx, query+" ORDER BY id LIMIT ?", append(args, maxRewind+1)...)
	if err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	defer rows.Close()
	var list []applied
	for rows.Next() {
		x, spam, data := applied{v: &model.Vector{}}, 0, []byte(nil)
		if err := rows.Scan(&x.id, &x.user, &spam, &x.own, &x.domain, &x.all, &data); err != nil {
			return nil, fmt.Errorf("learned: lessons: %w", err)
		}
		if x.v.UnmarshalBinary(data) != nil {
			continue
		}
		x.spam = spam != 0
		list = append(list, x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	rows.Close()
	if len(list) > maxRewind {
		return nil, nil
	}
	for i := range list {
		var ok bool
		if list[i].step, ok, err = s.step(ctx, stepKey{list[i].id, layer}); err != nil || !ok {
			return nil, err
		}
	}
	return list, nil
}

// step returns what a lesson did to a layer.
func (s *Store) step(ctx context.Context, k stepKey) (step model.Step, ok bool, err error) {
	if step, ok = s.steps[k]; ok {
		return step, true, nil
	}
	var data []byte
	err = s.deps.DB.Read().QueryRow(ctx, "SELECT step FROM learned_steps WHERE lesson = ? AND layer = ?", k.lesson, k.layer).Scan(&data)
	if errors.Is(err, sqldb.ErrNoRows) {
		return step, false, nil
	}
	if err == nil {
		err = step.UnmarshalBinary(data)
	}
	if err != nil {
		return step, false, fmt.Errorf("learned: step of lesson %d: %w", k.lesson, err)
	}
	return step, true, nil
}
