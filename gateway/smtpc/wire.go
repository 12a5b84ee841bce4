package smtpc

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

const (
	// bufferSize holds a whole inline transaction: the body and some hundred
	// recipients.
	bufferSize = InlineBody + 8<<10
	// blockSize is the most that one write takes and one Timeouts.DataBlock
	// allows for.
	blockSize = 256 << 10
	// bigWrite is the size from which bytes of a message are not copied.
	bigWrite = 8 << 10
)

// buffer is the output that waits for one write. Idle connections have none.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, bufferSize)} }}

// pending is the output buffer; what is appended to it is sent by flush.
func (c *Client) pending() *buffer {
	if c.out == nil {
		c.out = buffers.Get().(*buffer)
	}
	return c.out
}

// put adds a command to what the next flush sends.
func (c *Client) put(s string) {
	o := c.pending()
	o.b = append(o.b, s...)
}

// release gives the output buffer back, with what was not sent.
func (c *Client) release() {
	if c.out == nil {
		return
	}
	if cap(c.out.b) <= 2*bufferSize {
		c.out.b = c.out.b[:0]
		buffers.Put(c.out)
	}
	c.out = nil
}

// readWithin sets the read deadline to at least d from now and at most d/4
// more, without a call where the one that is set will do.
func (c *Client) readWithin(d time.Duration) {
	if c.late(&c.readBy, d) {
		_ = c.conn.SetReadDeadline(c.readBy)
	}
}

// writeWithin is readWithin for writing. TLS may have to read for that.
func (c *Client) writeWithin(d time.Duration) {
	if c.late(&c.writeBy, d) {
		_ = c.conn.SetWriteDeadline(c.writeBy)
	}
}

// late moves a deadline that has to be.
func (c *Client) late(by *time.Time, d time.Duration) bool {
	now := time.Now()
	if left := by.Sub(now); left >= d && left <= d+d/4 {
		return false
	}
	*by = now.Add(d + d/8)
	return true
}

// flush sends what is pending, in one write.
func (c *Client) flush(step Step, timeout time.Duration) error {
	if c.broken {
		return c.fail(step, ErrClosed)
	}
	o := c.pending()
	if len(o.b) == 0 {
		return nil
	}
	c.writeWithin(timeout)
	_, err := c.conn.Write(o.b)
	o.b = o.b[:0]
	if err != nil {
		return c.lastWords(step, err)
	}
	return nil
}

// body is the io.Writer of message bytes: small ones are collected, big ones
// are sent from where they are.
type body struct{ c *Client }

// Write implements io.Writer; its error is an *Error.
func (w body) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		m, err := w.c.writeBlock(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// WriteString implements io.StringWriter for short strings.
func (w body) WriteString(s string) (int, error) {
	w.c.put(s)
	return len(s), nil
}

// writeBlock takes at least one octet of p.
func (c *Client) writeBlock(p []byte) (int, error) {
	o := c.pending()
	if len(p) <= cap(o.b)-len(o.b) && (c.small || len(p) < bigWrite) {
		o.b = append(o.b, p...)
		return len(p), nil
	}
	p = p[:min(len(p), blockSize)]
	return len(p), c.writev(p)
}

// writev sends what is pending and p.
func (c *Client) writev(p []byte) error {
	if c.broken {
		return c.fail(StepBody, ErrClosed)
	}
	o := c.pending()
	c.writeWithin(c.opt.Timeouts.DataBlock)
	var err error
	if len(o.b) == 0 {
		_, err = c.conn.Write(p)
	} else {
		c.vec = [2][]byte{o.b, p}
		c.bufs = net.Buffers(c.vec[:])
		_, err = c.bufs.WriteTo(c.conn)
		c.vec, c.bufs = [2][]byte{}, nil
		o.b = o.b[:0]
	}
	if err != nil {
		return c.lastWords(StepBody, err)
	}
	return nil
}

// lastWords is fail for a write that did not go through: a server that closes
// often says why before, and that was not read yet.
func (c *Client) lastWords(step Step, err error) error {
	if c.ctx != nil && c.ctx.Err() != nil || !isReset(err) {
		return c.fail(step, err)
	}
	for range rcptBatch {
		r, rerr := c.readReply(lastWordsTimeout)
		if rerr != nil {
			break
		}
		if r.Code == 421 || step == StepBody && !c.inline && !r.Positive() {
			return c.refused(step, r)
		}
	}
	return c.fail(step, err)
}

const lastWordsTimeout = 100 * time.Millisecond

// reply reads the reply to a command. 421 ends the session.
func (c *Client) reply(step Step, timeout time.Duration) (smtp.Reply, error) {
	r, err := c.readReply(timeout)
	if err != nil {
		return smtp.Reply{}, c.fail(step, err)
	}
	c.lastSign = time.Now()
	if r.Code == 421 { // RFC 5321 section 3.8
		return r, c.refused(step, r)
	}
	return r, nil
}

// copyBody sends the message; w is body, or a dot-stuffer before it.
func (c *Client) copyBody(w io.Writer, m *Message) (int64, error) {
	src := m.Open()
	defer src.Close()
	if wt, ok := src.(io.WriterTo); ok {
		return wt.WriteTo(w)
	}
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	return io.CopyBuffer(onlyWriter{w}, src, b.b[:cap(b.b)])
}

// onlyWriter hides an io.ReaderFrom.
type onlyWriter struct{ io.Writer }

// quiet tells whether the connection is open and says nothing.
func (c *Client) quiet() bool {
	switch {
	case c.peek.raw == nil:
		c.readBy = time.Time{}
		return quietByDeadline(c.conn)
	case !c.readBy.IsZero() && !time.Now().Before(c.readBy): // a passed one would fail the look
		c.readBy = time.Time{}
		_ = c.conn.SetReadDeadline(c.readBy)
	}
	return c.peek.quiet()
}

// quietByDeadline is for connections that are no sockets: a read that may not
// wait finds either nothing, or the end.
func quietByDeadline(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now())
	var one [1]byte
	n, err := conn.Read(one[:])
	var ne net.Error
	return n == 0 && errors.As(err, &ne) && ne.Timeout()
}
