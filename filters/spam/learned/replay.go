package learned

import (
	"context"
	"fmt"
	"slices"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// replay takes lessons back exactly: all that came after the first of them, of
// whomever, are taken back in all layers, the latest first, and learned again without
// those. false, and nothing is changed: there are too many of them, or not all
// that it takes is kept.
func (s *Store) replay(ctx context.Context, first, before int64, undone map[int64]event) (bool, error) {
	list, err := s.allSince(ctx, first, before, s.rewinds+len(undone)+1)
	if err != nil || len(list) > s.rewinds+len(undone) {
		return false, err
	}
	found := 0
	for _, x := range list {
		if _, ok := undone[x.id]; ok {
			found++
		}
	}
	if found < len(undone) {
		return false, nil
	}
	back, ok, err := s.stepsOf(ctx, list)
	if err != nil || !ok {
		return false, err
	}
	for _, b := range back { // nothing that may fail is left
		b.layer.Undo(b.v, b.step)
	}
	for _, x := range slices.Backward(list) {
		if _, ok := undone[x.id]; ok {
			continue
		}
		if err := s.apply(ctx, x.event); err != nil {
			return true, err
		}
	}
	return true, nil
}

// allSince returns the lessons that were learned from first on, the latest first; n
// at most. None of them comes before the layer of a user was dropped.
func (s *Store) allSince(ctx context.Context, first, before int64, n int) ([]applied, error) {
	var dropped int64
	q := s.deps.DB.Read()
	if err := q.QueryRow(ctx, "SELECT COALESCE(MAX(id), 0) FROM learned_lessons WHERE undoes = ? AND id < ?", dropLayer, before).Scan(&dropped); err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	rows, err := q.Query(ctx, "SELECT id, username, spam, own, shared_domain, shared_all, vector FROM learned_lessons WHERE id >= ? AND id > ? AND id < ? AND undoes = 0 AND id NOT IN (SELECT undoes FROM learned_lessons WHERE undoes > 0 AND id < ?) ORDER BY id DESC LIMIT ?",
		first, dropped, before, before, n)
	list, err := sqldb.Collect(rows, err, func(row *sqldb.Rows) (x applied, err error) {
		var spam int
		err = row.Scan(&x.id, &x.user, &spam, &x.own, &x.domain, &x.all, &x.vector)
		x.spam = spam != 0
		return x, err
	})
	if err != nil {
		return nil, fmt.Errorf("learned: lessons: %w", err)
	}
	return slices.DeleteFunc(list, func(x applied) bool { // those were passed over
		return (&model.Vector{}).UnmarshalBinary(x.vector) != nil
	}), nil
}

// back is one step that is to be taken back.
type back struct {
	layer *model.Layer
	v     *model.Vector
	step  model.Step
}

// stepsOf returns the steps that lessons made, in their order; false: one is
// not kept.
func (s *Store) stepsOf(ctx context.Context, list []applied) (all []back, ok bool, err error) {
	for _, x := range list {
		v := &model.Vector{}
		if v.UnmarshalBinary(x.vector) != nil {
			return nil, false, nil
		}
		for _, name := range slices.Backward(chain(x.user)) {
			if x.of(name) == 0 {
				continue
			}
			step, ok, err := s.step(ctx, stepKey{x.id, name})
			if err != nil || !ok {
				return nil, false, err
			}
			l, err := s.forLearning(ctx, name)
			if err != nil {
				return nil, false, err
			}
			all = append(all, back{l, v, step})
		}
	}
	return all, true, nil
}
