package model

import (
	"cmp"
	"iter"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// table is what a sparse layer has of some features. Its slots lie side by side,
// since what a message takes of the layers of a hundred users is waiting for
// memory.
type table[V any] struct {
	slots []slot[V] // a power of two of them, half of them empty at least
	n     int
	odd   uint32 // that nobody knows: who chooses features cannot have them meet
}

type slot[V any] struct {
	key   uint32 // the feature and one; 0: empty
	value V
}

func newTable[V any]() *table[V] { return &table[V]{odd: rand.Uint32() | 1} }

// home is the slot from which on a feature is looked for.
func (t *table[V]) home(id uint32) int {
	return int(id * t.odd >> (33 - bits.Len(uint(len(t.slots)))))
}

// slot is where a feature is, or would be. There must be slots.
func (t *table[V]) slot(id uint32) int {
	for i := t.home(id); ; i++ {
		i &= len(t.slots) - 1
		if k := t.slots[i].key; k == id+1 || k == 0 {
			return i
		}
	}
}

// get returns what there is of a feature; nil: nothing.
func (t *table[V]) get(id uint32) *V {
	if t.n == 0 {
		return nil
	}
	if s := &t.slots[t.slot(id)]; s.key != 0 {
		return &s.value
	}
	return nil
}

// ahead is how many features are looked up before they are reckoned with: they
// are far apart in memory, and so the processor waits for many at once.
const ahead = 64

// each calls f for each of the features that there is something of, in their
// order.
func (t *table[V]) each(ids []uint32, f func(i int, v *V)) {
	if t.n == 0 {
		return
	}
	var keys [ahead]uint32
	for from := 0; from < len(ids); from += ahead {
		some := ids[from:min(from+ahead, len(ids))]
		for i, id := range some {
			keys[i%ahead] = t.slots[t.home(id)].key
		}
		for i, id := range some {
			if keys[i%ahead] == 0 {
				continue
			}
			if s := &t.slots[t.slot(id)]; s.key != 0 {
				f(from+i, &s.value)
			}
		}
	}
}

// put returns what there is of a feature, made if there is nothing. It holds
// until the next put or remove.
func (t *table[V]) put(id uint32) *V {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.slots = make([]slot[V], max(8, 2*len(old)))
		for _, s := range old {
			if s.key != 0 {
				t.slots[t.slot(s.key-1)] = s
			}
		}
	}
	s := &t.slots[t.slot(id)]
	if s.key == 0 {
		s.key = id + 1
		t.n++
	}
	return &s.value
}

// remove forgets a feature that is there.
func (t *table[V]) remove(id uint32) {
	mask := len(t.slots) - 1
	hole := t.slot(id)
	for i := (hole + 1) & mask; t.slots[i].key != 0; i = (i + 1) & mask {
		if home := t.home(t.slots[i].key - 1); (i-home)&mask >= (i-hole)&mask { // else it would not be found there
			t.slots[hole], hole = t.slots[i], i
		}
	}
	t.slots[hole] = slot[V]{}
	t.n--
}

// clear forgets all; there may be no table.
func (t *table[V]) clear() {
	if t != nil {
		t.slots, t.n = nil, 0
	}
}

// all are the features, in order, and what there is of them.
func (t *table[V]) all() iter.Seq2[uint32, V] {
	return func(yield func(uint32, V) bool) {
		list := slices.DeleteFunc(slices.Clone(t.slots), func(s slot[V]) bool { return s.key == 0 })
		slices.SortFunc(list, func(a, b slot[V]) int { return cmp.Compare(a.key, b.key) })
		for _, s := range list {
			if !yield(s.key-1, s.value) {
				return
			}
		}
	}
}
