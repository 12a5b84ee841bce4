package model

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestATableIsAMap: whatever is put and removed, it has what a map has.
func TestATableIsAMap(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	got, want := newTable[cell](), map[uint32]cell{}
	ids := make([]uint32, 3000)
	for round := range 200 {
		for range 100 {
			id := r.Uint32N(3000)
			if _, ok := want[id]; ok && round%4 == 3 {
				delete(want, id)
				got.remove(id)
				continue
			}
			c := cell{r.Float32(), r.Float32()}
			want[id] = c
			*got.put(id) = c
		}
		if all := maps.Collect(got.all()); !maps.Equal(all, want) || got.n != len(want) {
			t.Fatalf("round %d: %d of %d", round, len(all), len(want))
		}
	}
	for i := range ids {
		ids[i] = uint32(i)
		c, ok := want[ids[i]]
		if p := got.get(ids[i]); (p != nil) != ok || ok && *p != c {
			t.Fatalf("%d: %v, not %v", i, p, c)
		}
	}
	found, last := map[uint32]cell{}, -1
	got.each(ids, func(i int, c *cell) {
		if i <= last {
			t.Errorf("%d after %d", i, last)
		}
		last, found[ids[i]] = i, *c
	})
	if !maps.Equal(found, want) {
		t.Errorf("%d of %d", len(found), len(want))
	}
}
