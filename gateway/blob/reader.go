package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"
)

// readBuffer is what WriteTo reads at once.
const readBuffer = 128 << 10

// Open implements Store.
func (f *Files) Open(ctx context.Context, ref Ref) (Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !ref.valid() {
		return nil, fmt.Errorf("blob: open: %w", errRef)
	}
	x, err := f.reading.get(ref.Segment, func() (File, error) { return f.fs.Open(f.path(ref.Segment)) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob: open %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("blob: open: %w", err)
	}
	w := newWindow(&f.reading, x, ref)
	r, err := newReader(w, ref)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("blob: open %s: %w", ref, err)
	}
	return r, nil
}

// source is where a reader's octets are: a file, or an object.
type source interface {
	io.ReaderAt
	io.Closer
}

// newReader begins to read what ref refers to in file, which becomes the
// reader's.
func newReader(file source, ref Ref) (*reader, error) {
	h, err := headerAt(file, ref.Segment, ref.Offset)
	if err != nil {
		return nil, err
	}
	if h.size != ref.Size {
		return nil, fmt.Errorf("%w: another blob is there", ErrCorrupt)
	}
	return &reader{file: file, frame: h, start: ref.Offset + h.dataStart()}, nil
}

// reader reads one blob of a segment.
type reader struct {
	file   source
	frame  *frame
	start  int64 // of the blob in file
	at     int64
	summed int64 // octets from the beginning that are in sum
	sum    uint32
	end    error // what the verification said; io.EOF: well
}

// Size implements Reader.
func (r *reader) Size() int64 { return r.frame.size }

// Close implements Reader.
func (r *reader) Close() error { return r.file.Close() }

// ReadAt implements Reader; it verifies nothing.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	left := r.frame.size - off
	if left <= 0 && len(p) > 0 {
		return 0, io.EOF
	}
	short := int64(len(p)) > left
	if short {
		p = p[:left]
	}
	n, err := r.file.ReadAt(p, r.start+off)
	if n == len(p) {
		err = nil
	} else if err == io.EOF {
		err = fmt.Errorf("%w: the segment is too short", ErrCorrupt)
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// Read implements Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.frame.size {
		return 0, r.verify()
	}
	n, err := r.ReadAt(p, r.at)
	r.took(p[:n])
	if err == io.EOF {
		err = nil // the next Read tells, when all is verified
	}
	return n, err
}

// took counts what was read, in order.
func (r *reader) took(p []byte) {
	if r.at == r.summed {
		r.sum = crc32.Update(r.sum, castagnoli, p)
		r.summed += int64(len(p))
	}
	r.at += int64(len(p))
}

// verify compares the checksum where all was read; io.EOF: it fits.
func (r *reader) verify() error {
	if r.summed < r.frame.size {
		return io.EOF
	}
	if r.end == nil {
		var b [trailerSize]byte
		if n, err := r.file.ReadAt(b[:], r.start+r.frame.size); n < len(b) && err != io.EOF {
			return err
		}
		sum, err := parseTrailer(b[:])
		switch {
		case err != nil:
			r.end = err
		case sum != r.sum:
			r.end = fmt.Errorf("%w: checksum", ErrCorrupt)
		default:
			r.end = io.EOF
		}
	}
	return r.end
}

// Seek implements Reader.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.frame.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	r.at = offset
	return offset, nil
}

var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

// WriteTo implements Reader.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	buf := readBuffers.Get().(*[readBuffer]byte)
	defer readBuffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			k, err := w.Write(buf[:n])
			total += int64(k)
			if err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
