package smtpd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Buffers belong to a connection only while it has something to say.
const (
	smallBuffer = 8 << 10
	bigBuffer   = 64 << 10
	outBuffer   = 2 << 10
	maxOut      = 16 << 10 // replies that are held back at most

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

// output returns the buffer of replies.
func (c *conn) output() []byte {
	if c.out == nil {
		c.out = outPool.Get().(*[outBuffer]byte)[:0]
	}
	return c.out
}

func (c *conn) releaseOutput() {
	if cap(c.out) == outBuffer {
		outPool.Put((*[outBuffer]byte)(c.out[:outBuffer]))
	}
	c.out = nil
}

// flush sends the replies that are held back, in one write.
func (c *conn) flush() error {
	if len(c.out) == 0 || c.deaf {
		return nil
	}
	now, d := time.Now(), c.set.Limits.WriteTimeout
	if c.srv.stopped() {
		d, c.writeBy = lastWrite, time.Time{}
	}
	var err error
	if c.writeBy.Sub(now) < d {
		c.writeBy = now.Add(d + d/8)
		err = c.nc.SetWriteDeadline(c.writeBy)
	}
	if err == nil {
		_, err = c.nc.Write(c.out)
	}
	c.out = c.out[:0]
	c.deaf = err != nil
	return err
}

// readWithin sets the read deadline to at least d from now and at most d/4
// more, without a call where the one that is set will do.
func (c *conn) readWithin(now time.Time, d time.Duration) error {
	if left := c.readBy.Sub(now); left >= d && left <= d+d/4 {
		return nil
	}
	c.readBy = now.Add(d + d/8)
	return c.nc.SetReadDeadline(c.readBy)
}

// fill reads more, after the replies have been sent. Only a timeout that was
// not asked for, which a shutdown makes, is tried again.
func (c *conn) fill(within time.Duration) error {
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.readWithin(time.Now(), within); err != nil {
		return err
	}
	for {
		if c.srv.stopped() {
			return errDraining
		}
		n, err := c.nc.Read(c.in.buf[c.in.w:])
		c.in.w += n
		if n > 0 {
			return nil
		}
		if isTimeout(err) && time.Now().Before(c.readBy) {
			if err = c.nc.SetReadDeadline(c.readBy); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
	}
}

// waitCommand waits, with no buffer held, until the first octets of a command
// have come.
func (c *conn) waitCommand() error {
	if err := c.flush(); err != nil {
		return err
	}
	c.in.release()
	c.releaseOutput()
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	for {
		if err := c.readWithin(time.Now(), c.set.Limits.IdleTimeout); err != nil {
			return err
		}
		// After the deadline is set: a shutdown that comes later moves it.
		if c.srv.draining() && c.tx == nil && !c.chunking || c.srv.stopped() {
			return errDraining
		}
		err := c.firstRead()
		if !c.in.empty() {
			return nil
		}
		if isTimeout(err) && time.Now().Before(c.readBy) {
			c.readBy = time.Time{} // it was moved: look again
			continue
		}
		if err != nil {
			return err
		}
	}
}

// firstRead reads into a buffer that is taken only when octets are there.
func (c *conn) firstRead() error {
	if c.rc == nil {
		n, err := c.nc.Read(c.first[:])
		if n > 0 {
			c.in.grow(false)
			c.in.w = copy(c.in.buf, c.first[:n])
			return nil
		}
		return err
	}
	c.rawErr = nil
	err := c.rc.Read(c.onReady)
	if err == nil {
		err = c.rawErr
	}
	return err
}

// readRaw is called by the runtime when the socket may have something.
func (c *conn) readRaw(fd uintptr) bool {
	c.in.grow(false)
	for {
		n, err := syscall.Read(int(fd), c.in.buf)
		switch {
		case n > 0:
			c.in.w = n
			return true
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.in.release()
			return false
		case err == nil:
			err = io.EOF
		}
		c.in.release()
		c.rawErr = err
		return true
	}
}

// setConn makes nc the connection that is spoken over.
func (c *conn) setConn(nc net.Conn) {
	c.nc, c.rc = nc, nil
	switch s := nc.(type) {
	case *net.TCPConn:
		c.rc, _ = s.SyscallConn()
	case *net.UnixConn:
		c.rc, _ = s.SyscallConn()
	}
	if c.rc != nil && c.onReady == nil {
		c.onReady = c.readRaw
	}
	c.readBy, c.writeBy = time.Time{}, time.Time{}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// readLine returns the next command line without its line end, of limit octets
// at most, or more for an AUTH; it is valid until the next read.
func (c *conn) readLine(limit int) ([]byte, error) {
	if c.in.empty() {
		if err := c.waitCommand(); err != nil {
			return nil, err
		}
	}
	if len(c.out) > maxOut {
		if err := c.flush(); err != nil {
			return nil, err
		}
	}
	var began time.Time
	for seen := 0; ; {
		b := c.in.bytes()
		i := bytes.IndexByte(b[seen:], '\n')
		if limit < maxAuthLine && len(b) >= limit && c.isAuth(b) {
			limit = maxAuthLine
		}
		if i >= 0 {
			i += seen
			c.in.r += i + 1
			if i+1 > limit {
				return nil, errLineLong
			}
			if i > 0 && b[i-1] == '\r' {
				return b[:i-1], nil
			}
			if c.set.BareLineEnds == 0 {
				return nil, errBareLF
			}
			return b[:i], nil
		}
		if len(b) >= limit {
			return nil, c.skipLine()
		}
		seen = len(b)
		now := time.Now()
		if began.IsZero() {
			began = now
		}
		left := c.set.Limits.CommandTimeout - now.Sub(began)
		if left <= 0 {
			return nil, os.ErrDeadlineExceeded
		}
		c.in.grow(len(b) >= smallBuffer)
		if err := c.fill(left); err != nil {
			return nil, err
		}
	}
}

// maxSkip is how much of an over-long command line is read in order to answer
// in step.
const maxSkip = 256 << 10

func (c *conn) skipLine() error {
	for n := 0; n < maxSkip; {
		b := c.in.bytes()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			c.in.r += i + 1
			return errLineLong
		}
		n += len(b)
		c.in.r = c.in.w
		c.in.grow(false)
		if err := c.fill(c.set.Limits.CommandTimeout); err != nil {
			return err
		}
	}
	return errSkip
}

var (
	errDraining = errors.New("smtpd: shutting down")
	errLineLong = errors.New("smtpd: command line too long")
	errSkip     = errors.New("smtpd: command line without end")
	errBareLF   = errors.New("smtpd: command line ends with LF alone")
)
