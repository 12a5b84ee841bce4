package transfer

import (
	"bufio"
	"bytes"
	"io"
)

// crlfReader turns LF line ends into CRLF; CRLF stays what it is.
type crlfReader struct {
	r    *bufio.Reader
	rest []byte // of r's buffer, not yet given
	cr   bool   // the last octet was CR
	lf   bool   // an LF is owed
}

// NewCRLFReader reads r with CRLF line ends, whatever it has.
func NewCRLFReader(r io.Reader) io.Reader {
	return &crlfReader{r: bufio.NewReaderSize(r, 32<<10)}
}

// Read implements io.Reader.
func (c *crlfReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if c.lf {
			p[n] = '\n'
			n++
			c.lf, c.cr = false, false
			continue
		}
		if len(c.rest) == 0 {
			if n > 0 && c.r.Buffered() == 0 {
				return n, nil
			}
			if _, err := c.r.Peek(1); err != nil {
				return n, err
			}
			c.rest, _ = c.r.Peek(c.r.Buffered())
			c.r.Discard(len(c.rest)) // what was peeked stays until the next read
		}
		line := c.rest
		i := bytes.IndexByte(line, '\n')
		if i == 0 {
			c.rest = line[1:]
			if c.cr {
				p[n] = '\n'
				n++
				c.cr = false
				continue
			}
			p[n] = '\r'
			n++
			c.lf = true
			continue
		}
		if i > 0 {
			line = line[:i]
		}
		k := copy(p[n:], line)
		n += k
		c.rest = c.rest[k:]
		c.cr = k > 0 && line[k-1] == '\r'
	}
	return n, nil
}

// lfReader turns CRLF into LF.
type lfReader struct{ r *bufio.Reader }

// newLFReader reads r with LF line ends.
func newLFReader(r io.Reader) io.Reader {
	return &lfReader{bufio.NewReaderSize(r, 32<<10)}
}

// Read implements io.Reader.
func (l *lfReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if n > 0 && l.r.Buffered() == 0 {
			return n, nil
		}
		if _, err := l.r.Peek(1); err != nil {
			return n, err
		}
		chunk, _ := l.r.Peek(min(l.r.Buffered(), len(p)-n))
		i := bytes.IndexByte(chunk, '\r')
		if i < 0 {
			i = len(chunk)
		}
		n += copy(p[n:], chunk[:i])
		l.r.Discard(i)
		if i == len(chunk) {
			continue
		}
		if next, _ := l.r.Peek(2); len(next) < 2 || next[1] != '\n' {
			p[n] = '\r'
			n++
		}
		l.r.Discard(1)
	}
	return n, nil
}
