package suppress

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

const (
	filterBits = 12      // a key; about 3 in 1000 of the others are asked in vain
	filterHash = 6       // places of a key
	minKeys    = 1 << 14 // that the smallest filter is for
)

// bloom is a set of keys that may tell of a key that it has not, and never
// the other way round. Adding and asking may happen at once.
type bloom struct {
	seed  maphash.Seed
	words []atomic.Uint64
	mask  uint64
	room  int64
	n     atomic.Int64
}

// newBloom makes a filter for at least n keys, and some more to come.
func newBloom(n int64) *bloom {
	n = max(n+n/2, minKeys)
	b := sizedBloom(uint64(1) << bits.Len64(uint64(n)*filterBits-1))
	b.seed = maphash.MakeSeed()
	return b
}

// hash returns the hash of a key in two halves.
func (b *bloom) hash(domain, address string) uint64 {
	var h maphash.Hash
	h.SetSeed(b.seed)
	h.WriteString(domain)
	h.WriteByte(0)
	h.WriteString(address)
	return h.Sum64()
}

func (b *bloom) add(domain, address string)      { b.addHash(b.hash(domain, address)) }
func (b *bloom) has(domain, address string) bool { return b.hasHash(b.hash(domain, address)) }

func (b *bloom) addHash(h uint64) {
	step := bits.RotateLeft64(h, 32) | 1
	for range filterHash {
		i := h & b.mask
		b.words[i/64].Or(1 << (i % 64))
		h += step
	}
	b.n.Add(1)
}

func (b *bloom) hasHash(h uint64) bool {
	step := bits.RotateLeft64(h, 32) | 1
	for range filterHash {
		i := h & b.mask
		if b.words[i/64].Load()&(1<<(i%64)) == 0 {
			return false
		}
		h += step
	}
	return true
}

// full tells whether there are more keys in it than it was made for.
func (b *bloom) full() bool { return b.n.Load() > b.room }
