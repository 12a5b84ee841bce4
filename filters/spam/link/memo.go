package link

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	memoSlots = 1 << 11 // bounds the memory of one memo to about a MiB
	maxMemo   = 256     // octets of a key that is kept
)

// memo keeps what was found out by name: mail repeats names. A newer one takes
// an older one's place.
type memo[V any] struct {
	seed  maphash.Seed
	slots [memoSlots]atomic.Pointer[kept[V]]
}

type kept[V any] struct {
	key   string
	value V
}

// get returns what find says of key, or said before. find is given a copy of
// key that holds no message.
func (m *memo[V]) get(key string, find func(key string) V) V {
	slot := &m.slots[maphash.String(m.seed, key)%memoSlots]
	if k := slot.Load(); k != nil && k.key == key {
		return k.value
	}
	if len(key) > maxMemo {
		return find(key)
	}
	k := &kept[V]{key: strings.Clone(key)}
	k.value = find(k.key)
	slot.Store(k)
	return k.value
}
