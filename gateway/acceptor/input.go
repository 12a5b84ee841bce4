package acceptor

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// What reading fails with, besides the connection's own errors.
var (
	// ErrDraining: the server is shutting down.
	ErrDraining = errors.New("acceptor: shutting down")
	// ErrWoken: Wake was called.
	ErrWoken = errors.New("acceptor: woken")
	// ErrLineLong: a line was longer than its bound. It has been skipped: the
	// next line can be read.
	ErrLineLong = errors.New("acceptor: line too long")
	// ErrLineEndless: it went on for so long that the connection should end.
	ErrLineEndless = errors.New("acceptor: line without end")
)

// IsTimeout tells whether reading failed since the client took too long.
func IsTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Buffered returns what has been read and not used, valid until the next
// read.
func (c *Conn) Buffered() []byte { return c.in.bytes() }

// Empty tells whether nothing is buffered.
func (c *Conn) Empty() bool { return c.in.empty() }

// Full tells whether the buffer is: a Fill that asks for a big one then makes
// fewer reads.
func (c *Conn) Full() bool { return len(c.in.buf) > 0 && c.in.w == len(c.in.buf) }

// Discard uses up the first n octets of Buffered.
func (c *Conn) Discard(n int) { c.in.r += n }

// DiscardAll uses up all that is buffered, as before TLS begins: in plaintext
// anyone may have put it there. It returns how many octets that were.
func (c *Conn) DiscardAll() int {
	n := len(c.in.bytes())
	c.in.r = c.in.w
	return n
}

// Fill reads more, into a buffer of 64 KiB where big, after what is queued has
// been sent. It fails when nothing comes within d.
func (c *Conn) Fill(d time.Duration, big bool) error {
	c.in.grow(big)
	n, err := c.read(c.in.buf[c.in.w:], d)
	c.in.w += n
	return err
}

// Read reads what is buffered, or else from the connection straight into p,
// after what is queued has been sent. It fails when nothing comes within d.
func (c *Conn) Read(p []byte, d time.Duration) (int, error) {
	if !c.in.empty() {
		n := copy(p, c.in.bytes())
		c.in.r += n
		return n, nil
	}
	c.in.release()
	return c.read(p, d)
}

// read reads at least one octet. Only a timeout that was not asked for, which
// a shutdown or a Wake makes, is tried again.
func (c *Conn) read(p []byte, within time.Duration) (int, error) {
	if err := c.Flush(); err != nil {
		return 0, err
	}
	if err := c.readWithin(time.Now(), within); err != nil {
		return 0, err
	}
	for {
		if c.Stopped() {
			return 0, ErrDraining
		}
		n, err := c.nc.Read(p)
		if n > 0 {
			return n, nil
		}
		if IsTimeout(err) && time.Now().Before(c.readBy) {
			if err = c.nc.SetReadDeadline(c.readBy); err == nil {
				continue
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// readWithin sets the read deadline to at least d from now and at most d/4
// more, without a call where the one that is set will do.
func (c *Conn) readWithin(now time.Time, d time.Duration) error {
	if left := c.readBy.Sub(now); left >= d && left <= d+d/4 {
		return nil
	}
	c.readBy = now.Add(d + d/8)
	return c.nc.SetReadDeadline(c.readBy)
}

// Wait sends what is queued and waits, with no buffer held, until something is
// buffered: for idle, and up to an eighth more. It fails with ErrWoken after a
// Wake, and with ErrDraining when the server shuts down, unless the connection
// is busy: then not before it is cut short.
func (c *Conn) Wait(idle time.Duration, busy bool) error {
	if !c.in.empty() {
		return nil
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.in.release()
	c.releaseOutput()
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	for {
		if err := c.readWithin(time.Now(), idle); err != nil {
			return err
		}
		// After the deadline is set: a shutdown that comes later moves it.
		if c.Draining() && !busy || c.Stopped() {
			return ErrDraining
		}
		if c.woken.Load() {
			c.woken.Store(false)
			return ErrWoken
		}
		err := c.firstRead()
		if !c.in.empty() {
			return nil
		}
		if IsTimeout(err) && time.Now().Before(c.readBy) {
			c.readBy = time.Time{} // it was moved: look again
			continue
		}
		if err != nil {
			return err
		}
	}
}

// firstRead reads into a buffer that is taken only when octets are there.
func (c *Conn) firstRead() error {
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
func (c *Conn) readRaw(fd uintptr) bool {
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

// setTransport makes nc the connection that is spoken over.
func (c *Conn) setTransport(nc net.Conn) {
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

// Line says what lines ReadLine takes.
type Line struct {
	Max    int           // its octets with the line end, at most MaxLine
	Idle   time.Duration // how long its first octet may be waited for
	Within time.Duration // how long it may take from its first octet to its last
	// Longer, when not nil, is asked about a line that may be too long; it
	// returns the bound for one that begins so.
	Longer func(begin []byte) int
}

// ReadLine returns the next line up to its LF, which is not in it, though the
// CR is; it is valid until the next read. It waits as Wait does. What is queued
// is sent only when the client has said no more, or is a lot. Line ends are the
// caller's to judge.
func (c *Conn) ReadLine(l *Line, busy bool) ([]byte, error) {
	if c.in.empty() {
		if err := c.Wait(l.Idle, busy); err != nil {
			return nil, err
		}
	}
	if len(c.out) > maxOut {
		if err := c.Flush(); err != nil {
			return nil, err
		}
	}
	limit := l.Max
	var began time.Time
	for seen := 0; ; {
		b := c.in.bytes()
		i := bytes.IndexByte(b[seen:], '\n')
		if l.Longer != nil && len(b) >= limit {
			limit = max(limit, l.Longer(b))
		}
		if i >= 0 {
			i += seen
			c.in.r += i + 1
			if i+1 > limit {
				return nil, ErrLineLong
			}
			return b[:i], nil
		}
		if len(b) >= limit {
			return nil, c.skipLine(l.Within)
		}
		seen = len(b)
		now := time.Now()
		if began.IsZero() {
			began = now
		}
		left := l.Within - now.Sub(began)
		if left <= 0 {
			return nil, os.ErrDeadlineExceeded
		}
		if err := c.Fill(left, len(b) >= smallBuffer); err != nil {
			return nil, err
		}
	}
}

// maxSkip is how much of an over-long line is read in order to answer in step.
const maxSkip = 256 << 10

func (c *Conn) skipLine(within time.Duration) error {
	for n := 0; n < maxSkip; {
		b := c.in.bytes()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			c.in.r += i + 1
			return ErrLineLong
		}
		n += len(b)
		c.in.r = c.in.w
		if err := c.Fill(within, false); err != nil {
			return err
		}
	}
	return ErrLineEndless
}
