package mailbox

import (
	"math/bits"
	"slices"
)

// blockSize is how many UIDs share a block of a uidMap.
const blockSize = 1 << blockShift

const blockShift = 9

// bitmap tells which UIDs of a block are there.
type bitmap [blockSize / 64]uint64

func (b *bitmap) has(i uint32) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b *bitmap) set(i uint32)      { b[i/64] |= 1 << (i % 64) }
func (b *bitmap) unset(i uint32)    { b[i/64] &^= 1 << (i % 64) }

func (b *bitmap) count() (n uint32) {
	for _, w := range b {
		n += uint32(bits.OnesCount64(w))
	}
	return n
}

// rank counts those below i.
func (b *bitmap) rank(i uint32) (n uint32) {
	for _, w := range b[:i/64] {
		n += uint32(bits.OnesCount64(w))
	}
	return n + uint32(bits.OnesCount64(b[i/64]&(1<<(i%64)-1)))
}

// nth finds the one with rank k.
func (b *bitmap) nth(k uint32) uint32 {
	for j, w := range b {
		n := uint32(bits.OnesCount64(w))
		if k >= n {
			k -= n
			continue
		}
		for ; k > 0; k-- {
			w &= w - 1
		}
		return uint32(j*64 + bits.TrailingZeros64(w))
	}
	return 0
}

// next finds the first at or above i; blockSize: there is none.
func (b *bitmap) next(i uint32) uint32 {
	if i >= blockSize {
		return blockSize
	}
	w := b[i/64] >> (i % 64) << (i % 64)
	for j := i / 64; ; w = b[j] {
		if w != 0 {
			return j*64 + uint32(bits.TrailingZeros64(w))
		}
		if j++; j == uint32(len(b)) {
			return blockSize
		}
	}
}

// octets is what a row holds: little-endian, without zeros at the end.
func (b *bitmap) octets() []byte {
	out := make([]byte, 0, blockSize/8)
	for _, w := range b {
		for range 8 {
			out = append(out, byte(w))
			w >>= 8
		}
	}
	n := len(out)
	for n > 0 && out[n-1] == 0 {
		n--
	}
	return out[:n]
}

func bitmapOf(b []byte) *bitmap {
	m := &bitmap{}
	for i, x := range b[:min(len(b), blockSize/8)] {
		m[i/8] |= uint64(x) << (i % 8 * 8)
	}
	return m
}

// uidMap is which UIDs a folder has. It does not change; what is changed is a
// copy that shares the blocks that are the same.
type uidMap struct {
	blocks []mapBlock // in ascending order, none of them empty
	n      uint32
}

type mapBlock struct {
	at     uint32 // UIDs from at*blockSize on
	before uint32 // how many are in the blocks before it
	bits   *bitmap
}

var noUIDs = &uidMap{}

// find returns the index of the block of a UID, or where it would be.
func (m *uidMap) find(at uint32) (int, bool) {
	if k := len(m.blocks); k > 0 && m.blocks[k-1].at <= at { // the last one is asked for most
		if m.blocks[k-1].at == at {
			return k - 1, true
		}
		return k, false
	}
	return slices.BinarySearchFunc(m.blocks, at, func(b mapBlock, at uint32) int {
		switch {
		case b.at < at:
			return -1
		case b.at > at:
			return 1
		}
		return 0
	})
}

func (m *uidMap) has(uid uint32) bool {
	i, ok := m.find(uid >> blockShift)
	return ok && m.blocks[i].bits.has(uid%blockSize)
}

// seq is the sequence number of a UID; 0: it is not there.
func (m *uidMap) seq(uid uint32) uint32 {
	i, ok := m.find(uid >> blockShift)
	if !ok || !m.blocks[i].bits.has(uid%blockSize) {
		return 0
	}
	return m.blocks[i].before + m.blocks[i].bits.rank(uid%blockSize) + 1
}

// below counts the UIDs below uid.
func (m *uidMap) below(uid uint32) uint32 {
	i, ok := m.find(uid >> blockShift)
	switch {
	case ok:
		return m.blocks[i].before + m.blocks[i].bits.rank(uid%blockSize)
	case i < len(m.blocks):
		return m.blocks[i].before
	}
	return m.n
}

// uid is the UID of a sequence number; 0: there is none.
func (m *uidMap) uid(seq uint32) uint32 {
	if seq == 0 || seq > m.n {
		return 0
	}
	i, _ := slices.BinarySearchFunc(m.blocks, seq-1, func(b mapBlock, k uint32) int {
		if b.before <= k {
			return -1
		}
		return 1
	})
	b := m.blocks[i-1]
	return b.at<<blockShift + b.bits.nth(seq-1-b.before)
}

// from finds the first UID at or above uid; 0: there is none.
func (m *uidMap) from(uid uint32) uint32 {
	i, ok := m.find(uid >> blockShift)
	if ok {
		if k := m.blocks[i].bits.next(uid % blockSize); k < blockSize {
			return m.blocks[i].at<<blockShift + k
		}
		i++
	}
	if i >= len(m.blocks) {
		return 0
	}
	return m.blocks[i].at<<blockShift + m.blocks[i].bits.next(0)
}

// after finds the first UID above uid; 0: there is none.
func (m *uidMap) after(uid uint32) uint32 {
	if uid++; uid == 0 {
		return 0
	}
	return m.from(uid)
}

// run finds the first that is not there at or above i; blockSize: there is none.
func (b *bitmap) run(i uint32) uint32 {
	w := ^b[i/64] >> (i % 64) << (i % 64)
	for j := i / 64; ; w = ^b[j] {
		if w != 0 {
			return j*64 + uint32(bits.TrailingZeros64(w))
		}
		if j++; j == uint32(len(b)) {
			return blockSize
		}
	}
}

// only returns those of a set that are there: what lies together at once.
func (m *uidMap) only(set UIDs) (out UIDs) {
	for _, r := range set {
		i, _ := m.find(r.First >> blockShift)
		for at := r.First % blockSize; i < len(m.blocks); i, at = i+1, 0 {
			b := &m.blocks[i]
			first := b.at << blockShift
			if first > r.Last {
				break
			}
			if first > r.First {
				at = 0
			}
			for k := b.bits.next(at); k < blockSize && first+k <= r.Last; {
				end := b.bits.run(k)
				out.AddRange(Range{first + k, min(first+end-1, r.Last)})
				k = b.bits.next(end)
			}
		}
	}
	return out
}

// each calls f with the UIDs of a set that are there, until it returns false.
func (m *uidMap) each(set UIDs, f func(uid uint32) bool) {
	for _, r := range set {
		for uid := m.from(r.First); uid != 0 && uid <= r.Last; {
			if !f(uid) {
				return
			}
			if uid == 1<<32-1 {
				return
			}
			uid = m.from(uid + 1)
		}
	}
}

// minus returns those that other has not, below a bound.
func (m *uidMap) minus(other *uidMap, bound uint32) (out UIDs) {
	for _, b := range m.blocks {
		i, ok := other.find(b.at)
		if ok && other.blocks[i].bits == b.bits {
			continue
		}
		for k := b.bits.next(0); k < blockSize; k = b.bits.next(k + 1) {
			if uid := b.at<<blockShift + k; uid < bound && !(ok && other.blocks[i].bits.has(k)) {
				out.Add(uid)
			}
		}
	}
	return out
}

// mapEdit changes a copy of a uidMap.
type mapEdit struct {
	base  *uidMap
	edits map[uint32]*bitmap // changed blocks
}

func (e *mapEdit) block(at uint32) *bitmap {
	if b := e.edits[at]; b != nil {
		return b
	}
	if e.edits == nil {
		e.edits = map[uint32]*bitmap{}
	}
	b := &bitmap{}
	if i, ok := e.base.find(at); ok {
		*b = *e.base.blocks[i].bits
	}
	e.edits[at] = b
	return b
}

func (e *mapEdit) has(uid uint32) bool {
	if b := e.edits[uid>>blockShift]; b != nil {
		return b.has(uid % blockSize)
	}
	return e.base.has(uid)
}

func (e *mapEdit) add(uid uint32)    { e.block(uid >> blockShift).set(uid % blockSize) }
func (e *mapEdit) remove(uid uint32) { e.block(uid >> blockShift).unset(uid % blockSize) }

// done returns the changed map.
func (e *mapEdit) done() *uidMap {
	if len(e.edits) == 0 {
		return e.base
	}
	ats := make([]uint32, 0, len(e.edits))
	for at := range e.edits {
		ats = append(ats, at)
	}
	slices.Sort(ats)
	out := &uidMap{blocks: make([]mapBlock, 0, len(e.base.blocks)+1)}
	put := func(at uint32, b *bitmap, n uint32) {
		out.blocks = append(out.blocks, mapBlock{at: at, before: out.n, bits: b})
		out.n += n
	}
	edited := func(at uint32) {
		if b := e.edits[at]; *b != (bitmap{}) {
			put(at, b, b.count())
		}
	}
	for i, b := range e.base.blocks {
		for len(ats) > 0 && ats[0] < b.at {
			edited(ats[0])
			ats = ats[1:]
		}
		if len(ats) > 0 && ats[0] == b.at {
			edited(b.at)
			ats = ats[1:]
			continue
		}
		end := e.base.n
		if i+1 < len(e.base.blocks) {
			end = e.base.blocks[i+1].before
		}
		put(b.at, b.bits, end-b.before)
	}
	for _, at := range ats {
		edited(at)
	}
	return out
}

// union returns those of m and those of more.
func (m *uidMap) union(more UIDs) *uidMap {
	e := mapEdit{base: m}
	for uid := range more.All() {
		e.add(uid)
	}
	return e.done()
}

// count is how many of a range are there.
func (m *uidMap) count(r Range) uint32 {
	if r.Last == 1<<32-1 {
		n := m.n - m.below(r.First)
		return n
	}
	return m.below(r.Last+1) - m.below(r.First)
}
