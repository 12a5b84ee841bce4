package acceptor

import "time"

// Output returns the buffer of what is queued, to append to and give back by
// SetOutput.
func (c *Conn) Output() []byte {
	if c.out == nil {
		c.out = outPool.Get().(*[outBuffer]byte)[:0]
	}
	return c.out
}

// SetOutput queues what was appended to Output.
func (c *Conn) SetOutput(b []byte) { c.out = b }

// Queued returns how many octets are queued.
func (c *Conn) Queued() int { return len(c.out) }

// Room returns Output with room for n octets more, or 64 KiB at least where n
// is larger; for that it may send what is queued. Octets to come should be
// appended without making the slice larger than its capacity.
func (c *Conn) Room(n int) ([]byte, error) {
	n = min(n, bigBuffer)
	if b := c.Output(); cap(b)-len(b) >= n {
		return b, nil
	}
	if len(c.out)+n > bigBuffer {
		if err := c.Flush(); err != nil {
			return nil, err
		}
	}
	if cap(c.out)-len(c.out) < n {
		b := append(bigPool.Get().(*[bigBuffer]byte)[:0], c.out...)
		c.releaseOutput()
		c.out = b
	}
	return c.out, nil
}

// Write queues p. What is queued is sent when it is 64 KiB; what is larger
// than that is sent at once, with no copy. It implements io.Writer.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) >= bigBuffer {
		if err := c.Flush(); err != nil {
			return 0, err
		}
		return len(p), c.send(p)
	}
	b, err := c.Room(len(p))
	if err != nil {
		return 0, err
	}
	c.out = append(b, p...)
	return len(p), nil
}

// WriteString is Write.
func (c *Conn) WriteString(s string) (int, error) {
	if len(s) >= bigBuffer {
		return c.Write([]byte(s))
	}
	b, err := c.Room(len(s))
	if err != nil {
		return 0, err
	}
	c.out = append(b, s...)
	return len(s), nil
}

// Flush sends what is queued, in one write. Once it has failed it fails for
// ever.
func (c *Conn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.send(c.out)
	c.out = c.out[:0]
	return err
}

func (c *Conn) send(p []byte) error {
	if c.deaf != nil {
		return c.deaf
	}
	now, d := time.Now(), c.set.Limits.WriteTimeout
	if c.Stopped() {
		d, c.writeBy = lastWrite, time.Time{}
	}
	var err error
	if c.writeBy.Sub(now) < d {
		c.writeBy = now.Add(d + d/8)
		err = c.nc.SetWriteDeadline(c.writeBy)
	}
	if err == nil {
		_, err = c.nc.Write(p)
	}
	c.deaf = err
	return err
}
