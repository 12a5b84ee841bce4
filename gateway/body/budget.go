package body

import (
	"errors"
	"sync/atomic"
)

// ErrBudget says that the memory and spool of all bodies together are used
// up; the client should come back later.
var ErrBudget = errors.New("body: no spool space left in the budget")

// Budget caps the memory and the spool files of all bodies together. Past
// maxMemory bodies go to their spool file at once; past maxSpool writing
// fails with ErrBudget. A nil Budget has no caps.
type Budget struct {
	maxMemory, maxSpool atomic.Int64
	memory, spool       atomic.Int64
}

// NewBudget returns a budget of so many bytes.
func NewBudget(maxMemory, maxSpool int64) *Budget {
	b := &Budget{}
	b.SetLimits(maxMemory, maxSpool)
	return b
}

// SetLimits changes the caps; what is in use stays.
func (b *Budget) SetLimits(maxMemory, maxSpool int64) {
	b.maxMemory.Store(maxMemory)
	b.maxSpool.Store(maxSpool)
}

// Memory returns the bytes in use in memory.
func (b *Budget) Memory() int64 { return b.memory.Load() }

// Spool returns the bytes in use in spool files.
func (b *Budget) Spool() int64 { return b.spool.Load() }

// Room tells whether another n bytes would fit.
func (b *Budget) Room(n int64) bool {
	return b.memory.Load()+n <= b.maxMemory.Load() || b.spool.Load()+n <= b.maxSpool.Load()
}

func (b *Budget) takeMemory(n int64) bool {
	return b == nil || take(&b.memory, n, b.maxMemory.Load())
}

func (b *Budget) takeSpool(n int64) bool {
	return b == nil || take(&b.spool, n, b.maxSpool.Load())
}

func (b *Budget) give(memory, spool int64) {
	if b != nil {
		b.memory.Add(-memory)
		b.spool.Add(-spool)
	}
}

// take counts n bytes against limit; false: they do not fit.
func take(used *atomic.Int64, n, limit int64) bool {
	for {
		now := used.Load()
		if now+n > limit {
			return false
		}
		if used.CompareAndSwap(now, now+n) {
			return true
		}
	}
}

// Held is memory that is counted in a Budget besides bodies.
type Held struct{ memory, spool int64 }

// Hold makes h count n bytes: as memory, or past its cap as spool, as bodies
// do. It tells whether they fit; if not, h counts what it did.
func (b *Budget) Hold(h *Held, n int64) bool {
	n -= h.memory + h.spool
	switch {
	case n <= 0:
	case b.takeMemory(n):
		h.memory += n
	case b.takeSpool(n):
		h.spool += n
	default:
		return false
	}
	return true
}

// Free gives back what h counts.
func (b *Budget) Free(h *Held) {
	b.give(h.memory, h.spool)
	*h = Held{}
}
