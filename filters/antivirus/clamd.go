package antivirus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The clamd protocol: clamd(8), commands INSTREAM and VERSION in their "z"
// form, which ends with NUL.
const (
	chunkSize    = 128 << 10 // octets of one chunk; small writes are gathered up to bufferSize
	bufferSize   = 32 << 10
	maxReply     = 4 << 10
	maxVirus     = 200 // octets of a virus name
	dialTimeout  = 2 * time.Second
	probeTimeout = 2 * time.Second
	writeTimeout = 30 * time.Second // for one chunk
	scanTimeout  = 5 * time.Minute  // from the last chunk to the reply, whatever ctx says
)

// outcome is what clamd says about a stream.
type outcome uint8

const (
	clean outcome = iota + 1
	infected
	tooLarge
)

// verdict is clamd's answer.
type verdict struct {
	outcome
	virus string // of infected
}

// source writes all bytes of what is to be scanned. It returns w's errors as
// they are.
type source func(w io.Writer) error

// sourceError says that the message could not be read to its end: no daemon's
// fault, and no verdict.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "message: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// errReplied stops a source: clamd needs no more.
var errReplied = errors.New("clamd has answered")

// scan streams src to the daemon at addr and returns its answer. The reply is
// read while bytes are sent: it comes early when the stream is too long.
func scan(ctx context.Context, network, addr string, src source) (verdict, error) {
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return verdict{}, err
	}
	s := newStream(conn)
	stop := context.AfterFunc(ctx, s.interrupt)
	defer stop()
	v, err := s.run(src)
	_ = conn.Close()
	s.wait() // for the reader of the reply
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return verdict{}, cause
	}
	return v, err
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// stream is one INSTREAM session. It is the io.Writer of its source.
type stream struct {
	conn    net.Conn
	buf     *[]byte // command and a chunk that is being filled, its length in front
	lenAt   int     // where in buf the length of that chunk goes
	err     error   // of writing
	replied atomic.Bool
	dead    atomic.Bool // interrupted
	reply   chan string // closed after the one reply, without it when there is none
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

func newStream(conn net.Conn) *stream {
	s := &stream{conn: conn, buf: buffers.Get().(*[]byte), reply: make(chan string, 1)}
	*s.buf = append((*s.buf)[:0], "zINSTREAM\x00\x00\x00\x00\x00"...)
	s.lenAt = len(*s.buf) - 4
	go s.read()
	return s
}

// read waits for the reply and then ends writing.
func (s *stream) read() {
	defer close(s.reply)
	line, err := readReply(s.conn)
	if err == nil {
		s.reply <- line
	}
	s.replied.Store(true)
	_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
}

// interrupt ends all waiting.
func (s *stream) interrupt() {
	s.dead.Store(true)
	_ = s.conn.SetDeadline(time.Unix(1, 0))
}

// wait returns when the reply's reader has ended.
func (s *stream) wait() {
	for range s.reply {
	}
}

func (s *stream) run(src source) (verdict, error) {
	defer buffers.Put(s.buf)
	if err := src(s); err != nil && s.err == nil {
		// Without the final chunk clamd says nothing of what it got.
		return verdict{}, &sourceError{err}
	}
	if s.err == nil {
		s.finish()
	}
	if s.err == nil && !s.dead.Load() {
		_ = s.conn.SetReadDeadline(time.Now().Add(scanTimeout))
		if s.dead.Load() { // interrupted in between
			s.interrupt()
		}
	}
	if s.err != nil && !errors.Is(s.err, errReplied) && !s.replied.Load() {
		// A reply may still be on its way: clamd closes after "too long".
		_ = s.conn.SetReadDeadline(time.Now().Add(probeTimeout))
		if s.dead.Load() {
			s.interrupt()
		}
	}
	line, ok := <-s.reply
	switch {
	case ok:
		v, err := parseReply(line)
		if err == nil && v.outcome == clean && s.err != nil {
			return verdict{}, errors.New("clamd: clean before the end of the message")
		}
		return v, err
	case s.err != nil && !errors.Is(s.err, errReplied):
		return verdict{}, fmt.Errorf("clamd: %w", s.err)
	}
	return verdict{}, errNoReply
}

var errNoReply = errors.New("clamd: connection closed without an answer")

// Write implements io.Writer: small pieces are gathered, large ones leave
// uncopied.
func (s *stream) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		if s.err == nil && s.replied.Load() {
			s.err = errReplied
		}
		if s.err != nil {
			return n, s.err
		}
		if len(*s.buf)+len(p) <= bufferSize {
			*s.buf = append(*s.buf, p...)
			return n + len(p), nil
		}
		q := p[:min(len(p), chunkSize)]
		s.send(q)
		n, p = n+len(q), p[len(q):]
	}
	return n, s.err
}

// send sends the chunk being filled, with q at its end, in one write.
func (s *stream) send(q []byte) {
	b := *s.buf
	binary.BigEndian.PutUint32(b[s.lenAt:], uint32(len(b)-s.lenAt-4+len(q)))
	s.write(net.Buffers{b, q})
	*s.buf = append(b[:0], 0, 0, 0, 0)
	s.lenAt = 0
}

// finish sends what is left and the empty chunk that ends the stream.
func (s *stream) finish() {
	b := *s.buf
	if n := len(b) - s.lenAt - 4; n > 0 {
		binary.BigEndian.PutUint32(b[s.lenAt:], uint32(n))
		b = append(b, 0, 0, 0, 0)
		*s.buf = b
	}
	s.write(net.Buffers{b})
}

func (s *stream) write(bufs net.Buffers) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if s.dead.Load() || s.replied.Load() { // the deadline was already over
		_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
	}
	_, s.err = bufs.WriteTo(s.conn)
}

// readReply reads up to the NUL or line end that ends a reply.
func readReply(r io.Reader) (string, error) {
	buf := make([]byte, 0, 256)
	for len(buf) < maxReply {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if i := bytes.IndexAny(buf, "\x00\n"); i >= 0 {
			return string(buf[:i]), nil
		}
		if err != nil {
			return "", fmt.Errorf("clamd: %w", err)
		}
	}
	return "", errors.New("clamd: reply without end")
}

// parseReply parses "stream: OK", "stream: NAME FOUND" or an error; for a file
// it is "fd[NUMBER]" instead of stream.
func parseReply(line string) (verdict, error) {
	what, text, named := strings.Cut(line, ": ")
	if !named || what != "stream" && !strings.HasPrefix(what, "fd[") {
		text = line
	}
	text = strings.TrimSpace(text)
	if name, ok := strings.CutSuffix(text, " FOUND"); ok {
		return verdict{infected, cleanName(name)}, nil
	}
	switch {
	case text == "OK":
		return verdict{outcome: clean}, nil
	case strings.Contains(text, "size limit exceeded"):
		return verdict{outcome: tooLarge}, nil
	}
	return verdict{}, fmt.Errorf("clamd: it says %q", text[:min(len(text), maxVirus)])
}

// cleanName bounds a virus name and keeps it printable.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxVirus)]
}

// version asks a daemon what it is: proof that it answers at all.
func version(ctx context.Context, network, addr string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, "zVERSION\x00"); err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	line, err := readReply(conn)
	if err == nil && !strings.HasPrefix(line, "ClamAV") {
		err = fmt.Errorf("clamd: it calls itself %q", line[:min(len(line), maxVirus)])
	}
	return line, err
}
