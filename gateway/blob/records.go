package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
)

// Records implements Store.
func (f *Files) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		list, err := f.fs.ReadDir(f.opt.Dir)
		if err != nil {
			yield(Record{}, fmt.Errorf("blob: %w", err))
			return
		}
		for _, e := range list {
			if id, ok := segmentID(e.Name); ok && !f.segmentRecords(ctx, id, e.Size, true, yield) {
				return
			}
		}
	}
}

// Compact implements Store.
func (f *Files) Compact(ctx context.Context, owner Owner) (int64, error) {
	return f.compact(ctx, f, owner, func(s *segment) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) { f.segmentRecords(ctx, s.id, s.size, false, yield) }
	})
}

// segmentRecords lists those of one segment, up to size; false: yield wants no
// more.
func (f *Files) segmentRecords(ctx context.Context, id uint64, size int64, verify bool, yield func(Record, error) bool) bool {
	file, err := f.fs.Open(f.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return yield(Record{}, fmt.Errorf("blob: %w", err))
	}
	defer file.Close()
	return scan(ctx, file, id, size, verify, yield)
}

// scan lists the blobs of a segment.
func scan(ctx context.Context, file source, id uint64, size int64, verify bool, yield func(Record, error) bool) bool {
	return frames(ctx, file, id, size, func(*frame) bool { return true }, func(at int64, h *frame, err error) bool {
		if err != nil {
			return yield(Record{}, err)
		}
		rec := Record{Ref: Ref{Segment: id, Offset: at, Size: h.size}, Tag: h.tag}
		if verify {
			err = verifyFrame(file, h, at)
		}
		return yield(rec, err)
	})
}

// frames walks over the frames of a segment; behind what is no frame it goes on
// with one that is trusted.
func frames(ctx context.Context, file source, id uint64, size int64, trust func(h *frame) bool, yield func(at int64, h *frame, err error) bool) bool {
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return yield(at, nil, err)
		}
		h, err := headerAt(file, id, at)
		if errors.Is(err, ErrCorrupt) { // given up or torn: the next frame is somewhere behind
			at, err = nextFrame(ctx, file, id, at+frameAlign, size, trust)
			if err == nil {
				continue
			}
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			return yield(at, nil, fmt.Errorf("blob: %w", err))
		}
		if !yield(at, h, nil) {
			return false
		}
		at += h.length()
	}
	return true
}

func headerAt(file source, id uint64, at int64) (*frame, error) {
	var b [headerSize + MaxTag]byte
	n, err := file.ReadAt(b[:], at)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if long := headLength(b[:n]); long > len(b) { // it has a note
		all := make([]byte, long)
		if n, err = file.ReadAt(all, at); err != nil && err != io.EOF {
			return nil, err
		}
		return parseHeader(all[:n], id)
	}
	return parseHeader(b[:n], id)
}

func verifyFrame(file source, h *frame, at int64) error {
	r := &reader{file: file, frame: h, start: at + h.dataStart()}
	_, err := r.WriteTo(io.Discard)
	return err
}

// nextFrame finds the next header from at on; io.EOF: there is none.
func nextFrame(ctx context.Context, file source, id uint64, at, size int64, trust func(h *frame) bool) (int64, error) {
	buf := readBuffers.Get().(*[readBuffer]byte)
	defer readBuffers.Put(buf)
	for at < size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := file.ReadAt(buf[:], at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		b := buf[:n]
		for i := 0; i+headerSize <= len(b); i += frameAlign {
			if !bytes.HasPrefix(b[i:], []byte(magicFrame)) {
				continue
			}
			h, err := headerAt(file, id, at+int64(i))
			if err == nil && trust(h) {
				return at + int64(i), nil
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return 0, err
			}
		}
		if n < len(buf) {
			return 0, io.EOF
		}
		at += int64(len(b)) - headerSize
	}
	return 0, io.EOF
}
