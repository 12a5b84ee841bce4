package body

import (
	"errors"
	"io"
	"os"
	"sync"
)

// DefaultMemory is how much of one body stays in memory.
const DefaultMemory = 2 << 20

var (
	// ErrAborted is what readers get when the writer gave up.
	ErrAborted = errors.New("body: aborted")
	errClosed  = errors.New("body: use after close")
)

// SpoolError is that the spool file could not be made, written or read: the
// disk is full, or there are no more file descriptors.
type SpoolError struct{ Err error }

// Error implements error.
func (e *SpoolError) Error() string { return "body: spool: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SpoolError) Unwrap() error { return e.Err }

// Options of a new Body.
type Options struct {
	Memory int64   // bytes kept in memory; 0: DefaultMemory
	Dir    string  // folder of spool files; "": the system's
	Budget *Budget // nil: no common cap
}

// Body is an append-only sequence of bytes with one writer and any number of
// readers. Its owner calls Release when done; the bytes are freed when the
// last open Reader is closed too.
type Body struct {
	opt Options

	mu      sync.Mutex
	more    sync.Cond // size, done or a section's end changed
	waiting int       // readers in more.Wait
	chunks  [][]byte  // memory: firstChunk, then chunkSize each, full but for the last
	inMem   int64     // bytes in chunks
	file    *os.File  // spool: the bytes after inMem, but for the tail
	filed   int64     // bytes in file
	tail    []byte    // not yet in file
	size    int64     // inMem + filed + len(tail)
	done    bool
	err     error // why readers fail; nil after a complete end
	refs    int
	spooled bool // memory is used up
}

// New returns an empty body.
func New(opt Options) *Body {
	if opt.Memory <= 0 {
		opt.Memory = DefaultMemory
	}
	b := &Body{opt: opt, refs: 1}
	b.more.L = &b.mu
	return b
}

// Write appends p. It fails with ErrBudget, with an error of the spool file,
// or after Close.
func (b *Body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return 0, errClosed
	}
	n := 0
	for n < len(p) {
		room, err := b.room()
		if err != nil {
			return n, err
		}
		m := copy(room, p[n:])
		b.grow(m)
		n += m
	}
	if b.waiting > 0 {
		b.more.Broadcast()
	}
	return n, nil
}

// room returns free bytes at the end: of the last chunk in memory, of a new
// one, or of the spool's tail.
func (b *Body) room() ([]byte, error) {
	if b.spooled {
		return b.tailRoom()
	}
	if k := len(b.chunks); k > 0 {
		if last := b.chunks[k-1]; len(last) < cap(last) {
			return last[len(last):cap(last)], nil
		}
	}
	n := int64(chunkSize)
	if len(b.chunks) == 0 {
		n = firstChunk
	}
	if b.inMem+n > b.opt.Memory || !b.opt.Budget.takeMemory(n) {
		b.spooled = true
		return b.tailRoom()
	}
	c := newChunk(n)
	b.chunks = append(b.chunks, c)
	return c[:n], nil
}

// grow counts n bytes just copied into what room returned.
func (b *Body) grow(n int) {
	b.size += int64(n)
	if b.spooled {
		b.tail = b.tail[:len(b.tail)+n]
		return
	}
	last := &b.chunks[len(b.chunks)-1]
	*last = (*last)[:len(*last)+n]
	b.inMem += int64(n)
}

// tailRoom returns free bytes of the tail, after writing a full one to the
// spool file.
func (b *Body) tailRoom() ([]byte, error) {
	if b.tail == nil {
		if err := b.openSpool(); err != nil {
			return nil, err
		}
	}
	if len(b.tail) == cap(b.tail) {
		if !b.opt.Budget.takeSpool(chunkSize) {
			return nil, ErrBudget
		}
		if _, err := b.file.WriteAt(b.tail, b.filed); err != nil {
			b.opt.Budget.give(0, chunkSize)
			return nil, &SpoolError{err}
		}
		b.filed += int64(len(b.tail))
		b.tail = b.tail[:0]
	}
	return b.tail[len(b.tail):cap(b.tail)], nil
}

// openSpool makes the spool file, which has no name: a crash leaves nothing
// behind. The tail counts as spool.
func (b *Body) openSpool() error {
	if !b.opt.Budget.takeSpool(chunkSize) {
		return ErrBudget
	}
	f, err := nameless(b.opt.Dir)
	if err != nil {
		b.opt.Budget.give(0, chunkSize)
		return &SpoolError{err}
	}
	b.file, b.tail = f, newChunk(chunkSize)
	return nil
}

// Close ends the body: readers get io.EOF at the end.
func (b *Body) Close() error {
	b.end(nil)
	return nil
}

// Abort ends the body with an error for every reader, at once; nil stands for
// ErrAborted. It has no effect after Close.
func (b *Body) Abort(err error) {
	if err == nil {
		err = ErrAborted
	}
	b.end(err)
}

func (b *Body) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	b.done, b.err = true, err
	b.more.Broadcast()
}

// Size returns the bytes written so far.
func (b *Body) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// Hold adds a hold on the bytes that release gives up: whoever was handed a
// Section keeps it alive with one.
func (b *Body) Hold() (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refs++
	return sync.OnceFunc(b.release)
}

// Release gives up the owner's hold; a body that is still open is aborted.
func (b *Body) Release() {
	b.Abort(nil)
	b.release()
}

func (b *Body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refs--; b.refs == 0 {
		b.free()
	}
}

// free returns memory, file and budget; nobody holds the body any more.
func (b *Body) free() {
	var memory, spool int64
	for _, c := range b.chunks {
		memory += int64(cap(c))
		freeChunk(c)
	}
	if b.file != nil {
		b.file.Close()
		spool = b.filed + chunkSize
		freeChunk(b.tail)
	}
	b.opt.Budget.give(memory, spool)
	b.chunks, b.file, b.tail = nil, nil, nil
	b.err, b.done = errClosed, true
}

// peek returns bytes from off on: those in memory as they lie there, others
// copied into buf. It waits until there are some before the end of s, or of
// the body where s is nil; there it returns io.EOF.
func (b *Body) peek(buf func() []byte, off int64, s *Section) ([]byte, error) {
	b.mu.Lock()
	for {
		limit, final := b.size, b.done
		if s != nil && s.end >= 0 {
			limit, final = s.end, true
		}
		switch {
		case b.err != nil:
			b.mu.Unlock()
			return nil, b.err
		case off < limit:
			return b.at(buf, off, limit)
		case final:
			b.mu.Unlock()
			return nil, io.EOF
		}
		b.waiting++
		b.more.Wait()
		b.waiting--
	}
}

// at returns some of the bytes between off and limit, which are there. It is
// called with the lock and gives it up.
func (b *Body) at(buf func() []byte, off, limit int64) ([]byte, error) {
	if off < b.inMem {
		c, o := b.chunk(off)
		b.mu.Unlock()
		return c[o:min(int64(len(c)), o+limit-off)], nil
	}
	dst := buf()
	dst = dst[:min(int64(len(dst)), limit-off)]
	off -= b.inMem
	if off >= b.filed {
		dst = dst[:copy(dst, b.tail[off-b.filed:])]
		b.mu.Unlock()
		return dst, nil
	}
	dst = dst[:min(int64(len(dst)), b.filed-off)]
	f := b.file // what is in it never changes: read without the lock
	b.mu.Unlock()
	if _, err := f.ReadAt(dst, off); err != nil {
		return nil, &SpoolError{err}
	}
	return dst, nil
}

// chunk finds the chunk of an offset in memory, and the place in it.
func (b *Body) chunk(off int64) ([]byte, int64) {
	if off < firstChunk {
		return b.chunks[0], off
	}
	off -= firstChunk
	return b.chunks[1+off/chunkSize], off % chunkSize
}
