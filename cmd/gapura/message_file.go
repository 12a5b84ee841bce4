package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/message"
)

// messageFile is a message read from a file: its header, and its body still to
// be read. A file whose lines end in LF is read as if they ended in CRLF.
type messageFile struct {
	header *message.Header
	body   io.Reader
	file   io.Closer
}

func (m *messageFile) Close() error { return m.file.Close() }

// errNoMessage says that there is no message where one is to be judged: the
// program in front of us, in a pipe, has failed.
var errNoMessage = errors.New("empty: there is no message")

// readMessage opens the message called name, "-" for standard input, and reads
// its header. The error wraps errNoMessage where nothing is there.
func (a *app) readMessage(name string) (*messageFile, error) {
	return a.readMessageOr(name, errNoMessage)
}

// readMessageOr is readMessage with another error, or none, where nothing is
// there: to checks by themselves that is a message as well, without any fields
// and of one part that is empty.
func (a *app) readMessageOr(name string, empty error) (*messageFile, error) {
	f, err := a.openMessage(name)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(f, 64<<10)
	in := io.Reader(r)
	if first, err := r.Peek(r.Size()); err == nil || err == io.EOF {
		if empty != nil && err == io.EOF && isEmpty(first) {
			f.Close()
			return nil, fmt.Errorf("%s: %w", nameOf(name), empty)
		}
		if i := bytes.IndexByte(first, '\n'); i == 0 || i > 0 && first[i-1] != '\r' {
			in = &crlfReader{r: r}
		}
	}
	m := &messageFile{file: f}
	if m.header, m.body, err = splitHeader(in); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", nameOf(name), err)
	}
	return m, nil
}

// nameOf is what people call a file.
func nameOf(file string) string {
	if file == "-" || file == "" {
		return "standard input"
	}
	return file
}

// splitHeader reads a header block and returns it with a reader of the body.
func splitHeader(r io.Reader) (*message.Header, io.Reader, error) {
	var buf []byte
	from := 0
	for {
		end, body, ok := message.EndOfHeader(buf, from)
		if !ok && len(buf) <= message.DefaultHeaderBytes {
			chunk := make([]byte, 32<<10)
			n, err := r.Read(chunk)
			from = len(buf)
			buf = append(buf, chunk[:n]...)
			if err == nil || n > 0 {
				continue
			}
			if err != io.EOF {
				return nil, nil, err
			}
			end, body = len(buf), len(buf)
		} else if !ok {
			end, body = len(buf), len(buf)
		}
		h, err := message.ParseHeader(buf[:end:end], message.HeaderLimits{})
		return h, io.MultiReader(bytes.NewReader(buf[body:]), r), err
	}
}

// crlfReader turns bare LFs into CRLFs.
type crlfReader struct {
	r    *bufio.Reader
	last byte
	lf   bool // an LF is still to be given
}

// Read implements io.Reader.
func (c *crlfReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if c.lf {
			p[n], c.lf, c.last = '\n', false, '\n'
			n++
			continue
		}
		b, err := c.r.ReadByte()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		if b == '\n' && c.last != '\r' {
			b, c.lf = '\r', true
		}
		p[n], c.last = b, b
		n++
	}
	return n, nil
}
