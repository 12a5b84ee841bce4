package smtpd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// messageReader is what a Transaction reads the message from: the text of a
// DATA or of all BDAT of a transaction. It reads the connection's own buffer.
type messageReader struct {
	c    *conn
	scan smtp.TextScanner
	text []byte // given by scan, not yet read
	size int64  // octets of text so far
	wire int64  // octets read so far, for the bound of drain

	chunk int64 // octets to come of the BDAT chunk
	last  bool  // it is the last chunk

	err     error      // what Read returns from now on; io.EOF: the message is whole
	refusal smtp.Reply // the server's own
	lost    bool       // the connection is not in step any more

	window time.Duration // time spent waiting for octets in this rate window
	base   int64         // wire when it began
}

var (
	errVoid     = errors.New("smtpd: the message is void")
	errAborted  = errors.New("smtpd: the client gave the transaction up")
	errFinished = errors.New("smtpd: the transaction has ended")
)

func (c *conn) newReader(chunked bool) *messageReader {
	return &messageReader{c: c, scan: smtp.TextScanner{
		Bare: c.set.BareLineEnds, Null: c.set.NUL, MaxLine: max(c.set.Limits.TextLine, 0), Chunked: chunked,
	}}
}

// Read implements io.Reader.
func (r *messageReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.text) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

// WriteTo implements io.WriterTo; w gets parts of the connection's buffer,
// valid during the call.
func (r *messageReader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(r.text) == 0 {
			if err := r.next(); err == io.EOF {
				return n, nil
			} else if err != nil {
				return n, err
			}
		}
		k, err := w.Write(r.text)
		n += int64(k)
		r.text = r.text[k:]
		if err != nil {
			return n, err
		}
	}
}

// next reads until there is text.
func (r *messageReader) next() error {
	for r.err == nil {
		text, done, err := r.step()
		switch {
		case err != nil:
			r.err = err
		case r.scan.Defect() != smtp.NoDefect:
			r.void(defects[r.scan.Defect()])
		case r.size+int64(len(text)) > r.c.set.Limits.Message:
			r.void(replyTooBig)
		default:
			r.size += int64(len(text))
			r.text = text
			if len(text) > 0 {
				return nil
			}
			if done {
				r.err = io.EOF
			}
		}
	}
	return r.err
}

// void ends a message with a refusal, which the handler is told for its log.
func (r *messageReader) void(refusal smtp.Reply) {
	r.refusal = refusal
	r.err = fmt.Errorf("%w: %s", errVoid, refusal.Error())
}

// step takes the next octets of the message from the connection.
func (r *messageReader) step() (text []byte, done bool, err error) {
	c := r.c
	if r.scan.Done() {
		return nil, true, nil
	}
	if r.scan.Chunked && r.chunk == 0 {
		if r.last {
			return r.scan.Finish(), false, nil
		}
		return nil, false, c.nextChunk(r)
	}
	if c.Empty() {
		if err := r.fill(); err != nil {
			r.lost = true
			return nil, false, err
		}
	}
	src := c.Buffered()
	if r.scan.Chunked && int64(len(src)) > r.chunk {
		src = src[:r.chunk]
	}
	text, n := r.scan.Scan(src)
	c.Discard(n)
	r.wire += int64(n)
	if r.scan.Chunked {
		r.chunk -= int64(n)
	}
	return text, false, nil
}

// fill reads from the connection, and judges how fast octets come: on average
// over each window of time spent waiting for them.
func (r *messageReader) fill() error {
	c := r.c
	full := c.Full()
	if err := c.Flush(); err != nil {
		return err
	}
	for {
		began := time.Now()
		err := c.Fill(c.set.Limits.RateWindow-r.window, full)
		switch timeout := acceptor.IsTimeout(err); {
		case err == nil || timeout:
			if err := r.waited(time.Since(began), timeout); err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		default:
			return err
		}
		if !c.Empty() {
			return nil
		}
	}
}

// waited counts time that the client let the server wait, and judges at the
// end of each window.
func (r *messageReader) waited(d time.Duration, timeout bool) error {
	if r.window += d; !timeout && r.window < r.c.set.Limits.RateWindow {
		return nil
	}
	come := r.wire + int64(len(r.c.Buffered()))
	if !r.fastEnough(come - r.base) {
		return errSlow
	}
	r.window, r.base = 0, come
	return nil
}

func (r *messageReader) fastEnough(octets int64) bool {
	rate := r.c.set.Limits.MinRate
	if rate < 0 {
		return octets > 0
	}
	return float64(octets) >= float64(rate)*r.c.set.Limits.RateWindow.Seconds()
}

var errSlow = errors.New("smtpd: message comes too slowly")

// drain reads on after the transaction lost interest: to the end of the
// message, or with BDAT of the chunk. It tells whether the connection is
// still in step.
func (r *messageReader) drain() bool {
	r.text = nil
	for limit := r.wire + r.c.set.Limits.Drain; !r.lost; {
		if r.scan.Done() || r.scan.Chunked && r.chunk == 0 {
			return true
		}
		if r.wire > limit || r.scan.Chunked && r.chunk > r.c.set.Limits.Drain {
			r.lost = true
			r.c.send(replyDrain)
			return false
		}
		if _, _, err := r.step(); err != nil {
			r.broken(err)
		}
	}
	return false
}

// broken ends the connection for an error of reading within a message.
func (r *messageReader) broken(err error) {
	if errors.Is(err, errSlow) || errors.Is(err, os.ErrDeadlineExceeded) {
		r.c.send(replySlow)
		r.c.closing = true
		r.c.Quiet()
		return
	}
	r.c.lost(err)
}
