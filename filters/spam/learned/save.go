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
