package mailbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestOnlyIsWhatEachGives: by runs of a block as one by one.
func TestOnlyIsWhatEachGives(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		e := mapEdit{base: noUIDs}
		n := uint32(1 + rnd.IntN(3*blockSize))
		for uid := uint32(1); uid <= n; uid++ {
			if rnd.IntN(20) > 0 && uid/blockSize != 1 || uid%64 == 0 {
				e.add(uid)
			}
		}
		if rnd.IntN(2) == 0 {
			e.add(1<<32 - 1)
		}
		m := e.done()
		sets := []UIDs{AllUIDs, nil, One(n), One(1<<32 - 1), {{blockSize, blockSize}, {2*blockSize - 1, 1<<32 - 1}}}
		for range 5 {
			var set UIDs
			for range 1 + rnd.IntN(4) {
				first := 1 + uint32(rnd.IntN(int(n)+10))
				set.AddRange(Range{first, first + uint32(rnd.IntN(700))})
			}
			sets = append(sets, set)
		}
		for _, set := range sets {
			var want UIDs
			m.each(set, func(uid uint32) bool {
				want.Add(uid)
				return true
			})
			if got := m.only(set); !slices.Equal(got, want) {
				t.Fatalf("of %v: %v, want %v", set, got, want)
			}
		}
	}
}

func BenchmarkOnly(b *testing.B) {
	for _, gap := range []uint32{1_000_000, 100, 3} {
		e := mapEdit{base: noUIDs}
		for uid := uint32(1); uid <= 1_000_000; uid++ {
			if uid%gap > 0 {
				e.add(uid)
			}
		}
		m := e.done()
		b.Run(fmt.Sprint(gap), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.only(AllUIDs)
			}
		})
	}
}
