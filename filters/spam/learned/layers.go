package learned

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Names of layers; others are "@domain" and the user's.
const (
	installation = ""  // what administrators taught
	everybody    = "*" // what users taught all others
)

// maxLayers bounds the layers that are kept, in memory or not; those that
// were used least lately are dropped.
const maxLayers = 200_000

// layers are those in memory, and the names of all.
type layers struct {
	mu      sync.Mutex
	held    map[string]*held
	names   map[string]struct{} // of all that have learned something
	clock   int64
	changes int64 // of what the database has
}

type held struct {
	layer *model.Layer
	used  int64 // by clock
	dirty bool  // not saved as it is
	size  int64 // octets, about
}

const (
	// layerCells bounds the features of a domain's or user's layer; once there
	// are more it forgets a quarter, those that say least.
	layerCells = 60_000
	cellSize   = 40   // octets
	layerSize  = 4096 // of an empty one
)

// bound keeps a layer that has learned within its bound.
func (x *layers) bound(name string, l *model.Layer) {
	if l.Size() > layerCells {
		l.Shrink(layerCells * 3 / 4)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.held[name]; h != nil {
		h.size = sizeOf(l)
	}
}

func sizeOf(l *model.Layer) int64 { return layerSize + cellSize*int64(l.Size()) }

func newLayers() layers {
	return layers{held: map[string]*held{}, names: map[string]struct{}{}}
}

// chain are the names of the layers of a user, the lowest first.
func chain(user string) []string {
	list := []string{installation, everybody}
	if d := domainOf(user); d != "" {
		list = append(list, "@"+d)
	}
	if user != "" {
		list = append(list, user)
	}
	return list
}

// Layers returns the layers that count for a recipient, which is the name of
// the account that gets the mail, not one of its other addresses, the lowest first: of the
// installation, his domain, himself, where they have learned something. They
// may go on learning while they are used. What is not in memory is read, for
// 250 ms at most and none once ctx is done; what cannot be read is left out.
func (s *Store) Layers(ctx context.Context, rcpt string) []*model.Layer {
	rcpt, ok := account(rcpt)
	if !ok {
		rcpt = ""
	}
	list := make([]*model.Layer, 0, 4)
	share := s.opt.Load().Share
	for _, name := range chain(rcpt) {
		l, ok := s.layers.get(name)
		if !ok || !share.has(name) {
			continue
		}
		if l == nil && ctx.Err() == nil {
			var err error
			ctx, cancel := context.WithTimeout(ctx, s.patience)
			l, err = s.load(ctx, name)
			cancel()
			if err != nil {
				s.deps.Log.Warn("spam: what was learned cannot be read", "layer", name, "error", err.Error())
			}
		}
		if l != nil {
			list = append(list, l)
		}
	}
	return list
}

// taughtByAdmin is the layer that users do not change, if it is in memory.
func (s *Store) taughtByAdmin() []*model.Layer {
	if l, _ := s.layers.get(installation); l != nil {
		return []*model.Layer{l}
	}
	return nil
}

// get returns a layer; nil and true where it must be read.
func (x *layers) get(name string) (*model.Layer, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.held[name]; h != nil {
		x.clock++
		h.used = x.clock
		return h.layer, true
	}
	_, ok := x.names[name]
	return nil, ok
}

// load reads a layer that is not in memory; nil: there is none.
func (s *Store) load(ctx context.Context, name string) (*model.Layer, error) {
	x := &s.layers
	x.mu.Lock()
	changes := x.changes
	x.mu.Unlock()
	var data []byte
	err := s.deps.DB.Read().QueryRow(ctx, "SELECT data FROM learned_layers WHERE name = ?", name).Scan(&data)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("learned: layer %q: %w", name, err)
	}
	l, err := model.ReadLayer(bytes.NewReader(data))
	if err != nil { // better without it than no learning at all
		s.deps.Log.Error("spam: what was learned is damaged and begins anew", "layer", name, "error", err.Error())
		return nil, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.held[name]; h != nil {
		return h.layer, nil
	}
	l.Limit(s.opt.Load().Share.of(name))
	if x.changes == changes { // else it may be older than what is saved now
		x.hold(name, l, false)
		x.evict(s.opt.Load().Memory)
	}
	return l, nil
}

func (x *layers) hold(name string, l *model.Layer, dirty bool) *held {
	x.clock++
	h := &held{layer: l, used: x.clock, dirty: dirty, size: sizeOf(l)}
	x.held[name] = h
	x.names[name] = struct{}{}
	return h
}

// evict drops layers from memory, those used least lately of what is saved,
// once all take too much.
func (x *layers) evict(room int64) {
	var size int64
	clean := make([]string, 0, len(x.held))
	for name, h := range x.held {
		if name == installation || name == everybody {
			continue
		}
		if size += h.size; !h.dirty {
			clean = append(clean, name)
		}
	}
	if size <= room {
		return
	}
	slices.SortFunc(clean, func(a, b string) int { return cmp.Compare(x.held[a].used, x.held[b].used) })
	for _, name := range clean {
		if size <= room-room/10 {
			return
		}
		size -= x.held[name].size
		delete(x.held, name)
	}
}

// forLearning returns a layer to learn in, made or read where needed.
func (s *Store) forLearning(ctx context.Context, name string) (*model.Layer, error) {
	x := &s.layers
	l, known := x.get(name)
	if l == nil && known {
		var err error
		if l, err = s.load(ctx, name); err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.held[name]
	if h == nil {
		if l == nil {
			l = newLayer(name)
			l.Limit(s.opt.Load().Share.of(name))
		}
		h = x.hold(name, l, true)
	}
	h.dirty = true
	return h.layer, nil
}

func newLayer(name string) *model.Layer {
	if name == installation || name == everybody {
		return model.NewLayer()
	}
	return model.NewSparse()
}

// of is how far a layer may move each view; 0: as far as it likes, if it counts.
func (s Share) of(layer string) float64 {
	switch {
	case layer == everybody:
		return s.Installation
	case strings.HasPrefix(layer, "@"):
		return s.Domain
	}
	return 0
}

// has tells whether a layer counts: one that users no longer share does not.
func (s Share) has(layer string) bool {
	return layer != everybody && !strings.HasPrefix(layer, "@") || s.of(layer) > 0
}

// drop forgets a layer altogether, once that is saved.
func (x *layers) drop(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.held, name)
	delete(x.names, name)
	x.changes++
}

// loadNames reads which layers there are.
func (s *Store) loadNames(ctx context.Context) error {
	names, err := sqldb.Column[string](s.deps.DB.Read().Query(ctx, "SELECT name FROM learned_layers ORDER BY used DESC LIMIT ?", maxLayers))
	if err != nil {
		return fmt.Errorf("learned: layers: %w", err)
	}
	for _, name := range names {
		s.layers.names[name] = struct{}{}
	}
	return nil
}

// saveTime bounds one saving.
const saveTime = time.Minute
