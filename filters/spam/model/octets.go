package model

import (
	"encoding/binary"
	"errors"
	"io"
)

// octets reads numbers of a stream. What is missing at its end reads as zeros,
// and err says so.
type octets struct {
	r        io.Reader
	buf      [32 << 10]byte
	pos, end int
	eof      error // of r
	err      error // of who read
}

// maxEntry is at least as long as anything that is read at once.
const maxEntry = 3 * binary.MaxVarintLen64

// ahead has maxEntry octets ready, or all that are left.
func (o *octets) ahead() {
	if o.end-o.pos >= maxEntry {
		return
	}
	o.end = copy(o.buf[:], o.buf[o.pos:o.end])
	o.pos = 0
	for idle := 0; o.end < maxEntry && o.eof == nil; {
		n, err := o.r.Read(o.buf[o.end:])
		o.end += n
		o.eof = err
		if idle++; n == 0 && err == nil && idle > 100 {
			o.eof = io.ErrNoProgress
		}
	}
}

// uvarint reads one; ahead was called before.
func (o *octets) uvarint() uint64 {
	if o.pos < o.end && o.buf[o.pos] < 0x80 {
		o.pos++
		return uint64(o.buf[o.pos-1])
	}
	x, n := binary.Uvarint(o.buf[o.pos:o.end])
	if n <= 0 {
		o.fail(n < 0)
		return 0
	}
	o.pos += n
	return x
}

// half reads 16 bits; ahead was called before.
func (o *octets) half() uint16 {
	if o.end-o.pos < 2 {
		o.fail(false)
		return 0
	}
	o.pos += 2
	return binary.LittleEndian.Uint16(o.buf[o.pos-2:])
}

// fail notes that a number is too large, or that the stream ends within it.
func (o *octets) fail(large bool) {
	o.pos = o.end
	switch {
	case o.err != nil:
	case large:
		o.err = ErrFormat
	case errors.Is(o.eof, io.EOF):
		o.err = io.ErrUnexpectedEOF
	default:
		o.err = o.eof
	}
}

// done is the error of a stream that is not at its end, or ended otherwise.
func (o *octets) done() error {
	if o.ahead(); o.end > o.pos {
		return ErrFormat
	}
	if errors.Is(o.eof, io.EOF) {
		return nil
	}
	return o.eof
}

// nextID reads the distance to the next id; done at the end.
func (o *octets) nextID(next *uint64, size uint64) (id uint32, done bool, err error) {
	o.ahead()
	d := o.uvarint()
	if o.err != nil || d == 0 {
		return 0, true, o.err
	}
	if d > size || *next+d > size {
		return 0, true, ErrFormat
	}
	*next += d
	return uint32(*next - 1), false, nil
}
