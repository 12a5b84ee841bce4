package imap

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Sizes of a Writer, in octets.
const (
	// WriterSize is the buffer of a Writer: it is written when it is full.
	WriterSize = 16 << 10
	// directSize is from where on octets are not copied into the buffer but
	// written beside it in one call.
	directSize = 4 << 10
	// maxQuoted is the longest string that is written in quotes.
	maxQuoted = 1000
)

// LargeWrite is how many octets CopyAt writes at once.
const LargeWrite = 128 << 10

var largeBuffers = sync.Pool{New: func() any { b := make([]byte, LargeWrite); return &b }}

var writerBuffers = sync.Pool{New: func() any { b := make([]byte, 0, WriterSize); return &b }}

// Writer writes responses. It is buffered; the buffer is taken from a pool at
// the first octet and goes back with Flush, so that a connection that waits
// holds none. After an error it writes nothing more; Flush returns the error.
type Writer struct {
	dst io.Writer
	p   *[]byte // from the pool; nil: nothing is buffered
	b   []byte
	err error
	n   int64

	// UTF8 says that the client has enabled IMAP4rev2 or UTF8=ACCEPT: mailbox
	// names and quoted strings are written in UTF-8.
	UTF8 bool
}

// NewWriter returns a Writer to dst. Where dst is a net.Conn that can, large
// octets leave by one vectored write with what is buffered before them.
func NewWriter(dst io.Writer) *Writer { return &Writer{dst: dst} }

// SetOutput makes w write to dst from now on: TLS or compression has begun.
// What is buffered has to be flushed before.
func (w *Writer) SetOutput(dst io.Writer) { w.dst = dst }

// Err returns the first error of writing.
func (w *Writer) Err() error { return w.err }

// Buffered returns how many octets wait for Flush.
func (w *Writer) Buffered() int { return len(w.b) }

// Written counts all octets that went through w.
func (w *Writer) Written() int64 { return w.n + int64(len(w.b)) }

// Flush writes what is buffered, and gives the buffer back.
func (w *Writer) Flush() error {
	w.send()
	if w.p != nil {
		if cap(w.b) == WriterSize {
			*w.p = w.b[:0]
			writerBuffers.Put(w.p)
		}
		w.p, w.b = nil, nil
	}
	return w.err
}

// send writes what is buffered, and keeps the buffer.
func (w *Writer) send() {
	if len(w.b) == 0 {
		return
	}
	w.n += int64(len(w.b))
	if w.err == nil {
		_, w.err = w.dst.Write(w.b)
	}
	w.b = w.b[:0]
}

// room makes place for n octets, at most WriterSize.
func (w *Writer) room(n int) {
	if w.p == nil {
		w.p = writerBuffers.Get().(*[]byte)
		w.b = *w.p
	}
	if len(w.b)+n > WriterSize {
		w.send()
	}
}

// Raw writes s as it is.
func (w *Writer) Raw(s string) *Writer {
	for {
		w.room(min(len(s), 256))
		n := copy(w.b[len(w.b):cap(w.b)], s)
		w.b = w.b[:len(w.b)+n]
		if n == len(s) {
			return w
		}
		s = s[n:]
	}
}

// Bytes writes b as it is. Many octets are not copied: b is written before
// Bytes returns.
func (w *Writer) Bytes(b []byte) *Writer {
	if len(b) < directSize {
		w.room(len(b))
		w.b = append(w.b, b...)
		return w
	}
	w.direct(b)
	return w
}

// direct writes what is buffered and b in one call where dst is a socket.
func (w *Writer) direct(b []byte) {
	conn, ok := w.dst.(*net.TCPConn)
	if !ok || len(w.b) == 0 {
		w.send()
		w.n += int64(len(b))
		if w.err == nil {
			_, w.err = w.dst.Write(b)
		}
		return
	}
	w.n += int64(len(w.b) + len(b))
	if w.err == nil {
		v := net.Buffers{w.b, b}
		_, w.err = v.WriteTo(conn)
	}
	w.b = w.b[:0]
}

// Byte writes one octet.
func (w *Writer) Byte(c byte) *Writer {
	w.room(1)
	w.b = append(w.b, c)
	return w
}

// SP writes a space.
func (w *Writer) SP() *Writer { return w.Byte(' ') }

// CRLF ends the line.
func (w *Writer) CRLF() *Writer { return w.Raw("\r\n") }

// Uint writes a number.
func (w *Writer) Uint(n uint64) *Writer {
	w.room(20)
	w.b = strconv.AppendUint(w.b, n, 10)
	return w
}

// Num writes a number.
func (w *Writer) Num(n uint32) *Writer { return w.Uint(uint64(n)) }

// Untagged begins an untagged response: "* ".
func (w *Writer) Untagged() *Writer { return w.Raw("* ") }

// NumSet writes a set.
func (w *Writer) NumSet(s *NumSet) *Writer {
	for i := 0; i < len(s.Ranges) || i == 0; i += 256 {
		part := NumSet{Ranges: s.Ranges[i:min(i+256, len(s.Ranges))], Saved: s.Saved}
		if i > 0 {
			w.Byte(',')
		}
		w.room(256 * 22)
		w.b = part.Append(w.b)
	}
	return w
}

// Flags writes flags in parentheses.
func (w *Writer) Flags(system Flag, keywords ...string) *Writer {
	w.room(64)
	w.b = append(w.b, '(')
	w.b = AppendFlags(w.b, system)
	for i, k := range keywords {
		if i > 0 || system != 0 {
			w.Byte(' ')
		}
		w.Raw(k)
	}
	return w.Byte(')')
}

// DateTime writes t as a date-time in quotes, in its own zone.
func (w *Writer) DateTime(t time.Time) *Writer {
	w.room(32)
	w.b = AppendDateTime(w.b, t)
	return w
}

// NString writes a string, or NIL where s is nil.
func (w *Writer) NString(s []byte) *Writer {
	if s == nil {
		return w.Raw("NIL")
	}
	return writeString(w, s)
}

// String writes s in quotes where it can be, else as a literal.
func (w *Writer) String(s string) *Writer { return writeString(w, s) }

// StringBytes writes s in quotes where it can be, else as a literal.
func (w *Writer) StringBytes(s []byte) *Writer { return writeString(w, s) }

func writeString[T []byte | string](w *Writer, s T) *Writer {
	escapes, ok := quotable(s, w.UTF8)
	if !ok {
		return writeLiteral(w, s)
	}
	w.room(len(s) + escapes + 2)
	w.b = append(w.b, '"')
	if escapes == 0 {
		w.b = append(w.b, s...)
	} else {
		for i := range len(s) {
			if s[i] == '"' || s[i] == '\\' {
				w.b = append(w.b, '\\')
			}
			w.b = append(w.b, s[i])
		}
	}
	w.b = append(w.b, '"')
	return w
}

// quotable says whether s may be written in quotes, and how many of its octets
// need a backslash.
func quotable[T []byte | string](s T, utf8ok bool) (escapes int, ok bool) {
	if len(s) > maxQuoted {
		return 0, false
	}
	high := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0 || c == '\r' || c == '\n':
			return 0, false
		case c == '"' || c == '\\':
			escapes++
		case c >= 0x80:
			high = true
		}
	}
	if high && (!utf8ok || !utf8.ValidString(string(s))) {
		return 0, false
	}
	return escapes, true
}

func writeLiteral[T []byte | string](w *Writer, s T) *Writer {
	w.LiteralHead(int64(len(s)), false)
	if len(s) < directSize {
		w.room(len(s))
		w.b = append(w.b, s...)
		return w
	}
	if b, ok := any(s).([]byte); ok {
		return w.Bytes(b)
	}
	return w.Raw(string(s))
}

// LiteralHead writes {n} and its line end, ~{n} for one that may hold NUL; n
// octets have to follow.
func (w *Writer) LiteralHead(n int64, binary bool) *Writer {
	w.room(32)
	if binary {
		w.b = append(w.b, '~')
	}
	w.b = append(w.b, '{')
	w.b = strconv.AppendInt(w.b, n, 10)
	w.b = append(w.b, '}', '\r', '\n')
	return w
}

// Literal writes b as a literal, without copying where it is large.
func (w *Writer) Literal(b []byte) *Writer {
	w.LiteralHead(int64(len(b)), false)
	return w.Bytes(b)
}

// Copy writes exactly n octets of src, in writes as large as the buffer. Where
// src has fewer or fails the response cannot be mended: the error is kept, and
// the connection has to be closed.
func (w *Writer) Copy(src io.Reader, n int64) error {
	for n > 0 && w.err == nil {
		w.room(1)
		free := w.b[len(w.b):min(cap(w.b), WriterSize)]
		if int64(len(free)) > n {
			free = free[:n]
		}
		m, err := io.ReadFull(src, free)
		w.b = w.b[:len(w.b)+m]
		n -= int64(m)
		if err != nil {
			w.send()
			if w.err == nil {
				w.err = fmt.Errorf("imap: octets of a literal: %w", err)
			}
			return w.err
		}
		if len(w.b) >= WriterSize {
			w.send()
		}
	}
	return w.err
}

// CopyAt writes exactly n octets of src from an offset on: many in writes of
// LargeWrite. Its errors are as those of Copy.
func (w *Writer) CopyAt(src io.ReaderAt, offset, n int64) error {
	if n <= 2*WriterSize {
		r := atReader{src, offset}
		return w.Copy(&r, n)
	}
	p := largeBuffers.Get().(*[]byte)
	defer largeBuffers.Put(p)
	for n > 0 && w.err == nil {
		b := (*p)[:min(n, LargeWrite)]
		m, err := src.ReadAt(b, offset)
		if m < len(b) {
			w.Bytes(b[:m])
			w.send()
			if w.err == nil {
				w.err = fmt.Errorf("imap: octets of a literal: %w", err)
			}
			return w.err
		}
		w.Bytes(b)
		offset += int64(m)
		n -= int64(m)
	}
	return w.err
}

// atReader reads on from an offset.
type atReader struct {
	src    io.ReaderAt
	offset int64
}

func (r *atReader) Read(b []byte) (int, error) {
	n, err := r.src.ReadAt(b, r.offset)
	r.offset += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Astring writes s as an atom where it can be, else as a string.
func (w *Writer) Astring(s string) *Writer {
	if s == "" || len(s) > maxQuoted || equalFold(s, "NIL") {
		return w.String(s)
	}
	for i := range len(s) {
		if s[i] >= 0x80 || !is(s[i], classAstring) {
			return w.String(s)
		}
	}
	return w.Raw(s)
}

// Mailbox writes a mailbox name, which is in UTF-8, as the client expects it.
func (w *Writer) Mailbox(name string) *Writer {
	if !w.UTF8 {
		name = EncodeUTF7(name)
	}
	return w.Astring(name)
}
