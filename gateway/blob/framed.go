package blob

import (
	"hash/crc32"
	"io"
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// framed reads a frame around a blob that is read meanwhile.
type framed struct {
	f    *frame
	src  io.Reader
	sum  uint32
	left int64  // of the blob
	buf  []byte // header or trailer
	end  bool   // the trailer is in buf
}

func newFramed(f *frame, src io.Reader) *framed {
	return &framed{f: f, src: src, left: f.size, buf: f.appendHeader(nil)}
}

// Read implements io.Reader. A source that is not as long as was said is an
// error.
func (r *framed) Read(p []byte) (int, error) {
	switch {
	case len(r.buf) > 0:
		n := copy(p, r.buf)
		r.buf = r.buf[n:]
		return n, nil
	case r.end:
		return 0, io.EOF
	case r.left == 0:
		if n, err := io.ReadFull(r.src, make([]byte, 1)); n > 0 {
			return 0, errSize
		} else if err != io.EOF {
			return 0, err
		}
		r.buf, r.end = r.f.appendTrailer(nil, r.sum, magicEnd), true
		return r.Read(p)
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.sum = crc32.Update(r.sum, castagnoli, p[:n])
	r.left -= int64(n)
	if err == io.EOF {
		if err = nil; r.left > 0 {
			err = errSize
		}
	}
	return n, err
}
