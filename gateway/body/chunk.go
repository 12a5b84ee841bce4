package body

import "sync"

const (
	firstChunk = 8 << 10  // most messages fit
	chunkSize  = 64 << 10 // all further chunks, and the tail before the spool file
)

var (
	smallPool = sync.Pool{New: func() any { return new([firstChunk]byte) }}
	largePool = sync.Pool{New: func() any { return new([chunkSize]byte) }}
)

// newChunk returns an empty chunk with a capacity of firstChunk or chunkSize.
func newChunk(n int64) []byte {
	if n == firstChunk {
		return smallPool.Get().(*[firstChunk]byte)[:0]
	}
	return largePool.Get().(*[chunkSize]byte)[:0]
}

func freeChunk(c []byte) {
	switch c = c[:cap(c)]; len(c) {
	case firstChunk:
		smallPool.Put((*[firstChunk]byte)(c))
	case chunkSize:
		largePool.Put((*[chunkSize]byte)(c))
	}
}
