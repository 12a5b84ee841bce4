package model

import (
	"cmp"
	"math"
	"slices"
)

// Limit bounds by how much the layer moves the log-odds of each linear view;
// 0: by as much as it likes. It is not written with the layer.
func (l *Layer) Limit(logOdds float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = float32(logOdds)
}

// unbounded are the layers without a limit.
func unbounded(layers []*Layer) []*Layer {
	bounded := func(l *Layer) bool {
		l.mu.RLock()
		defer l.mu.RUnlock()
		return l.limit > 0
	}
	if !slices.ContainsFunc(layers, bounded) {
		return layers
	}
	return slices.DeleteFunc(slices.Clone(layers), bounded)
}

// limited keeps what the layer says of a view within its limit.
func (l *Layer) limited(x float32) float32 {
	if l.limit > 0 {
		return max(-l.limit, min(x, l.limit))
	}
	return x
}

// Size returns of how many features a sparse layer has learned something:
// each takes 24 to 48 octets. A layer with tables has always its size, and 0 here.
func (l *Layer) Size() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.size()
}

func (l *Layer) size() int {
	if l.tokens.sparse == nil {
		return 0
	}
	n := l.tokens.sparse.n
	for i := range l.linear {
		n += l.linear[i].sparse.n
	}
	return n
}

// place is one feature of a sparse layer.
type place struct {
	worth float32
	view  int
	id    uint32
}

// Shrink has a sparse layer forget the features that say least until there
// are at most size.
func (l *Layer) Shrink(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.size() - size
	if n <= 0 {
		return
	}
	all := make([]place, 0, l.size())
	for view := range l.linear {
		for id, c := range l.linear[view].sparse.all() {
			all = append(all, place{float32(math.Abs(float64(c.w))), view, id})
		}
	}
	for id, c := range l.tokens.sparse.all() {
		// As if it were a weight: the log of how unevenly it was counted.
		odds := math.Abs(math.Log((float64(c[0]) + 0.5) / (float64(c[1]) + 0.5)))
		all = append(all, place{float32(odds / 8), int(Tokens), id})
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.worth, b.worth), cmp.Compare(a.view, b.view), cmp.Compare(a.id, b.id))
	})
	for _, p := range all[:min(n, len(all))] {
		if p.view == int(Tokens) {
			l.tokens.sparse.remove(p.id)
		} else {
			l.linear[p.view].sparse.remove(p.id)
		}
	}
}
