package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"sync"
)

// maxBuffer is what one Append holds in memory: blobs up to it are written in
// one go.
const maxBuffer = 256 << 10

var (
	errSize = errors.New("blob: the source is not as long as was said")
	errTag  = fmt.Errorf("blob: tag longer than %d octets", MaxTag)
)

// Append implements Store.
func (f *Files) Append(ctx context.Context, tag string, size int64, src io.Reader) (Ref, error) {
	return f.append(ctx, frame{tag: tag, size: size}, src, nil)
}

// append is Append of a frame of which tag, note and size are known, durable by
// sync, nil for one at once. After an error the Ref is where it was to be.
func (f *Files) append(ctx context.Context, fr frame, src io.Reader, sync func(*syncer) error) (Ref, error) {
	w, err := f.begin(ctx, fr)
	if err != nil {
		return Ref{}, err
	}
	defer f.appends.Done()
	defer w.free()
	if err = w.run(src); err == nil {
		err = w.confirm(func() error {
			if sync != nil {
				return sync(&w.seg.syncs)
			}
			return w.seg.syncs.wait(w.frame.length())
		})
	}
	if err != nil {
		w.giveUp()
		err = fmt.Errorf("blob: append: %w", err)
	}
	return w.ref(), err
}

// begin begins an Append, which the caller ends by appends.Done.
func (f *Files) begin(ctx context.Context, fr frame) (*appender, error) {
	if len(fr.tag) > MaxTag {
		return nil, errTag
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.opt.ReadOnly {
		return nil, ErrReadOnly
	}
	if err := f.enter(); err != nil {
		return nil, err
	}
	return &appender{f: f, ctx: ctx, frame: fr}, nil
}

// appender is one Append: a writer that the source is copied to.
type appender struct {
	f     *Files
	ctx   context.Context
	frame frame // size -1: not known
	buf   []byte
	sum   uint32
	n     int64    // octets of the blob so far
	seg   *segment // nil: no place yet
	start int64    // of the frame
	at    int64    // next write
	own   bool     // the segment is this blob's alone
}

// run writes the frame.
func (w *appender) run(src io.Reader) error {
	n := int64(maxBuffer)
	if w.frame.size >= 0 {
		n = min(n, w.frame.length()+frameAlign)
	}
	w.buf = buffer(int(n))
	if w.frame.size > 0 && w.frame.length() > maxBuffer { // the place is reserved at once
		if err := w.place(); err != nil {
			return err
		}
	} else {
		w.buf = w.buf[:w.frame.dataStart()]
	}
	if err := w.copy(src); err != nil {
		return err
	}
	return w.finish()
}

// ref is where the blob is; zero: it has no place yet.
func (w *appender) ref() Ref {
	if w.seg == nil {
		return Ref{}
	}
	return Ref{Segment: w.seg.id, Offset: w.start, Size: w.n}
}

// copy reads the source to its end.
func (w *appender) copy(src io.Reader) error {
	if wt, ok := src.(io.WriterTo); ok {
		if _, err := wt.WriteTo(w); err != nil {
			return err
		}
	} else if err := w.readFrom(src); err != nil {
		return err
	}
	if w.frame.size >= 0 && w.n != w.frame.size {
		return errSize
	}
	return nil
}

// readFrom reads straight into the buffer.
func (w *appender) readFrom(src io.Reader) error {
	for empty := 0; ; {
		if err := w.room(); err != nil {
			return err
		}
		n, err := src.Read(w.buf[len(w.buf):cap(w.buf)])
		if n > 0 {
			w.buf = w.buf[:len(w.buf)+n]
			if err := w.took(w.buf[len(w.buf)-n:]); err != nil {
				return err
			}
			empty = 0
		} else if empty++; empty > 100 {
			return io.ErrNoProgress
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Write takes the next octets of the source.
func (w *appender) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if err := w.room(); err != nil {
			return 0, err
		}
		if w.seg != nil && len(w.buf) == 0 && len(p) >= maxBuffer/4 { // not worth a copy
			if err := w.took(p); err != nil {
				return 0, err
			}
			if err := w.write(p); err != nil {
				return 0, err
			}
			return total, nil
		}
		n := copy(w.buf[len(w.buf):cap(w.buf)], p)
		w.buf = w.buf[:len(w.buf)+n]
		if err := w.took(p[:n]); err != nil {
			return 0, err
		}
		p = p[n:]
	}
	return total, nil
}

// took counts what came.
func (w *appender) took(p []byte) error {
	w.n += int64(len(p))
	w.sum = crc32.Update(w.sum, castagnoli, p)
	if w.frame.size >= 0 && w.n > w.frame.size {
		return errSize
	}
	return w.ctx.Err()
}

// room writes the buffer out when it is full.
func (w *appender) room() error {
	if len(w.buf) < cap(w.buf) {
		return nil
	}
	if w.seg == nil { // longer than a buffer, and nobody knows how long
		if w.frame.size >= 0 {
			return errSize
		}
		if err := w.place(); err != nil {
			return err
		}
	}
	err := w.write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// finish writes what is left, with header and trailer.
func (w *appender) finish() error {
	unknown := w.frame.size < 0
	w.frame.size = w.n
	if w.seg == nil {
		if err := w.place(); err != nil {
			return err
		}
	}
	if cap(w.buf)-len(w.buf) < trailerSize+frameAlign {
		if err := w.write(w.buf); err != nil {
			return err
		}
		w.buf = w.buf[:0]
	}
	if err := w.write(w.frame.appendTrailer(w.buf, w.sum, magicEnd)); err != nil {
		return err
	}
	w.buf = w.buf[:0]
	if unknown && w.own {
		w.f.resize(w.seg, w.frame.length())
		return w.writeAt(w.frame.appendHeader(w.buf), w.start)
	}
	return nil
}

// place finds room for the frame, and puts its header into the buffer.
func (w *appender) place() (err error) {
	w.own = w.frame.size < 0 || w.frame.length() >= w.f.opt.Large
	if w.own {
		w.seg, err = w.f.create(max(w.frame.length(), 0))
	} else {
		w.seg, w.start, err = w.f.reserve(w.ctx, w.frame.length())
	}
	if err != nil {
		return err
	}
	w.at = w.start
	w.frame.segment = w.seg.id
	if len(w.buf) == 0 {
		w.buf = w.frame.appendHeader(w.buf)
	} else { // the blob begins in the buffer already
		w.frame.appendHeader(w.buf[:0])
	}
	return nil
}

func (w *appender) write(p []byte) error {
	at := w.at
	w.at += int64(len(p))
	return w.writeAt(p, at)
}

func (w *appender) writeAt(p []byte, at int64) error {
	if _, err := w.seg.file.WriteAt(p, at); err != nil {
		w.f.fail(w.seg, err)
		return err
	}
	return nil
}

// confirm makes the blob durable, by sync of its segment, and visible.
func (w *appender) confirm(sync func() error) error {
	if err := sync(); err != nil {
		return err
	}
	if w.own {
		if err := w.f.syncFolder(w.seg); err != nil {
			return err
		}
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.seg.add(w.ref())
	w.seg.noted = w.seg.noted || len(w.frame.note) > 0
	w.leave()
	return nil
}

// giveUp marks the frame as void where there is one.
func (w *appender) giveUp() {
	if w.seg == nil {
		return
	}
	if !w.own && w.frame.size >= 0 {
		void := frame{tag: w.frame.tag, note: w.frame.note, size: w.frame.size}
		w.seg.file.WriteAt(void.appendTrailer(nil, 0, magicVoid), w.start+void.dataStart()+void.size)
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.leave()
}

// leave ends the Append's part in its segment; the mutex is held.
func (w *appender) leave() {
	w.seg.pending--
	if w.own {
		w.seg.sealed = true
	}
	w.f.settle(w.seg)
}

// reserve finds room for n octets in the segment of small blobs.
func (f *Files) reserve(ctx context.Context, n int64) (*segment, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if s := f.cur; s != nil && !s.sealed && (s.size == 0 || s.size+n <= f.opt.SegmentSize) {
			if s.filling != nil && s.size+n > s.ahead {
				if err := f.await(ctx, s.filling); err != nil {
					return nil, 0, err
				}
				continue
			}
			at := s.size
			s.size += n
			s.pending++
			return s, at, nil
		}
		if err := f.roll(ctx); err != nil {
			return nil, 0, err
		}
	}
}

// roll begins the next segment of small blobs, or waits for another who does.
// The mutex is held, but not meanwhile.
func (f *Files) roll(ctx context.Context) error {
	if f.creating != nil {
		return f.await(ctx, f.creating)
	}
	if f.cur != nil {
		f.seal(f.cur)
	}
	f.creating = make(chan struct{})
	f.mu.Unlock()
	s, err := f.create(0)
	if err == nil {
		err = f.syncFolder(s)
	}
	f.mu.Lock()
	close(f.creating)
	f.creating = nil
	if s != nil {
		s.pending--
		if err != nil {
			f.seal(s)
		} else {
			f.cur = s
		}
	}
	return err
}

// await waits until ready is closed. The mutex is held, but not meanwhile.
func (f *Files) await(ctx context.Context, ready <-chan struct{}) error {
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// create makes a segment, with one Append in it.
func (f *Files) create(size int64) (*segment, error) {
	id, born := f.newID(), f.dirFails.Load()
	file, err := f.fs.Create(f.path(id))
	if err != nil {
		return nil, err
	}
	s := &segment{id: id, file: file, size: size, pending: 1, born: born}
	s.syncs.sync = func() error { return f.syncSegment(s) }
	f.mu.Lock()
	defer f.mu.Unlock()
	f.segments[id] = s
	return s, nil
}

// syncSegment syncs unless the segment has failed: after an error a sync that
// succeeds says nothing.
func (f *Files) syncSegment(s *segment) error {
	f.mu.Lock()
	failed := s.failed
	f.mu.Unlock()
	if failed != nil {
		return failed
	}
	f.writeAhead(s)
	err := s.file.Sync()
	if err != nil {
		f.fail(s, err)
	}
	return err
}

var errFolder = errors.New("blob: the folder could not be synced")

// syncFolder makes durable that a segment is there. Where a sync has failed
// since it was made, one that succeeds says nothing.
func (f *Files) syncFolder(s *segment) error {
	if err := f.dirSync.wait(0); err != nil {
		return err
	}
	if f.dirFails.Load() != s.born {
		return errFolder
	}
	return nil
}

// fail seals a segment: what is not confirmed in it never will be.
func (f *Files) fail(s *segment, err error) {
	f.log.Error("segment given up", "segment", f.path(s.id), "error", err.Error())
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("the segment was given up: %w", err)
	}
	f.seal(s)
}

// seal ends a segment; the mutex is held.
func (f *Files) seal(s *segment) {
	s.sealed = true
	if f.cur == s {
		f.cur = nil
	}
	f.settle(s)
}

func (f *Files) resize(s *segment, n int64) {
	f.mu.Lock()
	s.size = n
	f.mu.Unlock()
}

// buffers are kept by their size, a power of two.
var buffers [20]sync.Pool

// buffer gives an empty one of at least n octets, maxBuffer at most.
func buffer(n int) []byte {
	k := max(bits.Len(uint(n-1)), 10)
	if b, _ := buffers[k].Get().(*[]byte); b != nil {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<k)
}

// freeBuffer takes it back.
func freeBuffer(b []byte) {
	if c := cap(b); c >= 1<<10 && c <= maxBuffer && c&(c-1) == 0 {
		b = b[:0]
		buffers[bits.Len(uint(c-1))].Put(&b)
	}
}

func (w *appender) free() {
	freeBuffer(w.buf)
	w.buf = nil
}
