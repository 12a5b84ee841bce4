package imapd

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/gapura-mail/gapura/gateway/imap"
)

const compressName = "COMPRESS=DEFLATE"

// compress is COMPRESS (RFC 4978).
func (c *conn) compress(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.SP() || !d.Word("DEFLATE") || !d.End() {
		return reply{}, d.Err()
	}
	if c.compressed {
		return reply{no, "COMPRESSIONACTIVE", "Compression is active already"}, nil
	}
	c.finish(c.cmd.Name, done("Compressing"))
	c.flush()
	if c.closing {
		return reply{}, nil
	}
	if err := c.nc.Layer(func(under net.Conn) net.Conn { return &deflated{Conn: under} }); err != nil {
		return reply{}, errors.Join(errLost, err)
	}
	c.compressed = true
	return reply{}, nil
}

const (
	flateInput = 4 << 10
	flateChunk = 64 << 10 // what is compressed at once
)

// What compression takes, which belongs to a connection only while it is used:
// the 650 KiB of a compressor for the time of one Write's work alone.
var (
	compressors = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(io.Discard, flate.BestSpeed) // the level is a good one
		return w
	}}
	flateInputs  = sync.Pool{New: func() any { return new([flateInput]byte) }}
	flateOutputs = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// deflated is a connection that is compressed both ways. Each Write ends at a
// block's end and begins a window of its own.
type deflated struct {
	net.Conn
	z     inflater
	buf   *[flateInput]byte // nil while it waits
	in    []byte            // what is in it
	first [1]byte
	woken bool // in is the octet that came first
}

// Write implements net.Conn.
func (d *deflated) Write(p []byte) (n int, err error) {
	out := flateOutputs.Get().(*bytes.Buffer)
	defer flateOutputs.Put(out)
	for n < len(p) {
		part := p[n:min(n+flateChunk, len(p))]
		out.Reset()
		z := compressors.Get().(*flate.Writer)
		z.Reset(out)
		z.Write(part) // into memory
		z.Flush()
		z.Reset(io.Discard)
		compressors.Put(z)
		if _, err := d.Conn.Write(out.Bytes()); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// Read implements net.Conn. After an error that is a time-out it can go on.
func (d *deflated) Read(p []byte) (int, error) {
	for d.z.told == len(d.z.window) {
		switch err := d.z.decode(&d.in); {
		case err == nil:
		case errors.Is(err, errFinal): // it may say no more
			return 0, io.EOF
		case !errors.Is(err, errMore):
			return 0, err
		default:
			if err := d.more(); err != nil {
				return 0, err
			}
		}
	}
	n := copy(p, d.z.window[d.z.told:])
	d.z.told += n
	return n, nil
}

// more reads from below: with no buffer where nothing is left to decode, until
// something comes.
func (d *deflated) more() error {
	if len(d.in) == 0 && !d.woken {
		d.release()
		n, err := d.Conn.Read(d.first[:])
		if n == 0 {
			return err
		}
		d.buf = flateInputs.Get().(*[flateInput]byte)
		d.buf[0] = d.first[0]
		d.in, d.woken = d.buf[:1], true
		return nil
	}
	k := copy(d.buf[:], d.in)
	n, err := d.Conn.Read(d.buf[k:])
	if d.in = d.buf[:k+n]; n == 0 {
		return err
	}
	d.woken = false
	return nil
}

func (d *deflated) release() {
	d.z.rest()
	if d.buf != nil {
		flateInputs.Put(d.buf)
		d.buf, d.in = nil, nil
	}
}

// Close implements net.Conn.
func (d *deflated) Close() error {
	d.release()
	return d.Conn.Close()
}
