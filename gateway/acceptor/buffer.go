package acceptor

import (
	"sync"
	"time"
)

// MaxLine is the longest line that ReadLine can be asked for, in octets.
const MaxLine = bigBuffer

// Buffers belong to a connection only while it has something to say.
const (
	smallBuffer = 8 << 10
	bigBuffer   = 64 << 10
	outBuffer   = 2 << 10
	maxOut      = 16 << 10 // replies that are held back at most, while commands are read

	lastWrite = time.Second // for the last words of a server that stops
)

var (
	smallPool = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	bigPool   = sync.Pool{New: func() any { return new([bigBuffer]byte) }}
	outPool   = sync.Pool{New: func() any { return new([outBuffer]byte) }}
)

// input is what has been read and not used: buf[r:w].
type input struct {
	buf  []byte
	r, w int
}

func (in *input) empty() bool   { return in.r == in.w }
func (in *input) bytes() []byte { return in.buf[in.r:in.w] }

// grow makes room to read more into.
func (in *input) grow(big bool) {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	switch {
	case in.buf == nil && big:
		in.buf = bigPool.Get().(*[bigBuffer]byte)[:]
	case in.buf == nil:
		in.buf = smallPool.Get().(*[smallBuffer]byte)[:]
	case big && len(in.buf) == smallBuffer:
		b := bigPool.Get().(*[bigBuffer]byte)[:]
		n := copy(b, in.bytes())
		in.release()
		in.buf, in.r, in.w = b, 0, n
	case in.r > 0:
		in.w = copy(in.buf, in.bytes())
		in.r = 0
	}
}

// release gives the buffer back, whatever is in it.
func (in *input) release() {
	switch len(in.buf) {
	case smallBuffer:
		smallPool.Put((*[smallBuffer]byte)(in.buf))
	case bigBuffer:
		bigPool.Put((*[bigBuffer]byte)(in.buf))
	}
	*in = input{}
}

// releaseOutput gives the output buffer back.
func (c *Conn) releaseOutput() {
	switch cap(c.out) {
	case outBuffer:
		outPool.Put((*[outBuffer]byte)(c.out[:outBuffer]))
	case bigBuffer:
		bigPool.Put((*[bigBuffer]byte)(c.out[:bigBuffer]))
	}
	c.out = nil
}
