package learned

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// maxRewind is how many lessons that came after one that is undone are taken
// back and learned again, so that nothing of it is left. Where more came since, of
// all users, those of each of its layers are counted apart: then layers of others
// above keep what they learned in between. Of one that is followed by more in a layer
// only its own step is taken back there.
const maxRewind = 500

// unlearn takes lessons of one user back in all layers, all at once: what came
// after them is learned again once.
func (s *Store) unlearn(ctx context.Context, list []event) error {
	undone := make(map[int64]event, len(list))
	widest := list[0] // whose lessons are in every layer that any of them is in
	first := list[0].undoes
	for _, e := range list {
		undone[e.undoes] = e
		first = min(first, e.undoes)
		widest.own, widest.domain, widest.all = max(widest.own, e.own), max(widest.domain, e.domain), max(widest.all, e.all)
	}
	if done, err := s.replay(ctx, first, list[0].id, undone); done || err != nil {
		return err
	}
	return s.each(ctx, widest, func(name string, below []*model.Layer, l *model.Layer, _ float64) error {
		return s.rewind(ctx, rewinding{first, list[0].id, undone, name}, below, l)
	})
}

// rewinding is what is taken back in a layer.
type rewinding struct {
	first, before int64           // the first lesson, and the end of those that are in the layer
	undone        map[int64]event // by lesson
	layer         string
}

// rewind takes lessons back in one layer.
func (s *Store) rewind(ctx context.Context, r rewinding, below []*model.Layer, l *model.Layer) error {
	later, err := s.since(ctx, r)
	if err != nil {
		return err
	}
	exact := make(map[int64]bool, len(r.undone))
	for _, x := range slices.Backward(later) {
		l.Undo(x.v, x.step)
		_, exact[x.id] = r.undone[x.id]
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(r.undone))) {
		if !exact[id] && r.undone[id].of(r.layer) != 0 {
			if err := s.stepBack(ctx, id, r.layer, l); err != nil {
				return err
			}
		}
	}
	for _, x := range later {
		if !exact[x.id] {
			s.steps[stepKey{x.id, r.layer}] = l.Learn(s.model.Load(), below, x.v, x.spam, x.of(r.layer))
		}
	}
	return nil
}

// stepBack takes back the step of one lesson alone.
func (s *Store) stepBack(ctx context.Context, lesson int64, layer string, l *model.Layer) error {
	step, ok, err := s.step(ctx, stepKey{lesson, layer})
	if err != nil || !ok {
		return err
	}
	v, err := s.vectorOf(ctx, lesson)
	if v != nil {
		l.Undo(v, step)
	}
	return err
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

// since returns the lessons that are in a layer from the first that is taken
// back to the last one of all, in their order; where too many others came
// after it, or not all that it takes is kept, those from a later one.
func (s *Store) since(ctx context.Context, r rewinding) ([]applied, error) {
	list, err := s.readSince(ctx, r)
	if err != nil {
		return nil, err
	}
	others, n := 0, 0
	for i := range list { // the latest first
		x := &list[i]
		var ok bool
		if x.step, ok, err = s.step(ctx, stepKey{x.id, r.layer}); err != nil {
			return nil, err
		}
		_, undone := r.undone[x.id]
		if !undone {
			others++
		}
		if !ok || others > maxRewind {
			break
		}
		if undone {
			n = i + 1
		}
	}
	list = list[:n]
	slices.Reverse(list)
	return list, nil
}

// readSince reads lessons that are in a layer, the latest first.
func (s *Store) readSince(ctx context.Context, r rewinding) ([]applied, error) {
	query := "SELECT id, username, spam, own, shared_domain, shared_all, vector FROM learned_lessons WHERE id >= ? AND id < ? AND undoes = 0 AND id NOT IN (SELECT undoes FROM learned_lessons WHERE undoes > 0 AND id < ?)"
	args := []any{r.first, r.before, r.before}
	switch {
	case r.layer == installation:
		query += " AND username = '' AND shared_all > 0"
	case r.layer == everybody:
		query += " AND username <> '' AND shared_all > 0"
	case r.layer[0] == '@':
		query, args = query+" AND domain = ? AND shared_domain > 0", append(args, r.layer[1:])
	default:
		query, args = query+" AND username = ? AND own > 0", append(args, r.layer)
	}
	var list []applied
	rows, err := s.deps.DB.Read().Query(ctx, query+" ORDER BY id DESC LIMIT ?", append(args, maxRewind+len(r.undone)+1)...)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		x, spam, data := applied{v: &model.Vector{}}, 0, []byte(nil)
		if err := row.Scan(&x.id, &x.user, &spam, &x.own, &x.domain, &x.all, &data); err != nil {
			return err
		}
		if x.v.UnmarshalBinary(data) == nil {
			x.spam = spam != 0
			list = append(list, x)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
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
	if err != nil {
		return step, false, fmt.Errorf("learned: step of lesson %d: %w", k.lesson, err)
	}
	if err := step.UnmarshalBinary(data); err != nil { // the lesson stays where it is; the others go on
		s.deps.Log.Error("spam: what a lesson did is damaged and cannot be taken back", "lesson", k.lesson, "layer", k.layer, "error", err.Error())
		return model.Step{}, false, nil
	}
	return step, true, nil
}
