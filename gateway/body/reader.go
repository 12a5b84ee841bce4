package body

import (
	"context"
	"io"
)

// Section is a stretch of a Body that ends where its writer says.
type Section struct {
	b     *Body
	start int64
	end   int64 // -1 while it grows
}

// Section begins a stretch at the present end of the body.
func (b *Body) Section() *Section {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Section{b: b, start: b.size, end: -1}
}

// End ends the stretch at the present end of the body.
func (s *Section) End() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if s.end < 0 {
		s.end = s.b.size
		s.b.more.Broadcast()
	}
}

// Open returns a reader of the section from its start. It blocks at the end
// of what is there until more comes. Only who has a hold on the body may call
// it.
func (s *Section) Open() io.ReadCloser { return s.b.open(s, s.start) }

// ReaderAt waits until the section has ended and returns it with its size. It
// is valid as long as the caller's hold on the body.
func (s *Section) ReaderAt(ctx context.Context) (io.ReaderAt, int64, error) {
	if err := s.wait(ctx); err != nil {
		return nil, 0, err
	}
	return readerAt{s}, s.end - s.start, nil
}

// wait blocks until the section has ended, the body has failed or ctx ends.
func (s *Section) wait(ctx context.Context) error {
	b := s.b
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.more.Broadcast()
	})
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.err != nil:
			return b.err
		case s.end >= 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case b.done:
			s.end = b.size
			return nil
		}
		b.waiting++
		b.more.Wait()
		b.waiting--
	}
}

// readerAt is a section that has ended.
type readerAt struct{ s *Section }

// ReadAt implements io.ReaderAt.
func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		q, err := r.s.b.peek(func() []byte { return p[n:] }, r.s.start+off+int64(n), r.s)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], q)
	}
	return n, nil
}

// Reader reads a body from a place of its own. It is used by one goroutine.
type Reader struct {
	b   *Body
	s   *Section
	off int64
	buf []byte // for what is not in memory for good
}

// Open returns a reader from the start of the body.
func (b *Body) Open() *Reader { return b.open(nil, 0) }

func (b *Body) open(s *Section, off int64) *Reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refs++
	return &Reader{b: b, s: s, off: off}
}

// Next returns the next bytes, without copying them where they are in memory,
// or io.EOF; it blocks until there are some. They are valid until the next
// call.
func (r *Reader) Next() ([]byte, error) {
	if r.b == nil {
		return nil, errClosed
	}
	p, err := r.b.peek(r.buffer, r.off, r.s)
	r.off += int64(len(p))
	return p, err
}

// buffer returns the reader's own buffer.
func (r *Reader) buffer() []byte {
	if r.buf == nil {
		r.buf = newChunk(chunkSize)
	}
	return r.buf[:cap(r.buf)]
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.b == nil {
		return 0, errClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	q, err := r.b.peek(func() []byte { return p }, r.off, r.s)
	n := copy(p, q) // onto itself where peek filled p
	r.off += int64(n)
	return n, err
}

// WriteTo implements io.WriterTo: it hands w large slices until the end.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for {
		p, err := r.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		m, err := w.Write(p)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
}

// Close gives up the reader's hold on the body. It may be called again.
func (r *Reader) Close() error {
	if r.b == nil {
		return nil
	}
	if r.buf != nil {
		freeChunk(r.buf)
	}
	b := r.b
	r.b, r.buf = nil, nil
	b.release()
	return nil
}
