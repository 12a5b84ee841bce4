package transfer

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What the two ends of a ferry say to each other: a JSON value in a line; then,
// of a message, its octets in pieces, each behind its length in four octets
// (big-endian), an empty one at the end.

// Bounds of what is read from the other end.
const (
	maxLine  = 64 << 10
	maxPiece = 256 << 10
)

// Bounds of what is said, so that the answer, which has the key too and why,
// is no longer than maxLine.
const (
	maxSaid = 32 << 10
	maxWhy  = 4 << 10 // which JSON may make six times as long
)

// errLong tells of a value that the other end would not read.
var errLong = errors.New("its folder, flags and name are too long")

// pipe is one end.
type pipe struct {
	r *bufio.Reader
	w *bufio.Writer
}

func newPipe(rw io.ReadWriter) *pipe {
	return &pipe{bufio.NewReaderSize(rw, maxLine), bufio.NewWriterSize(rw, 64<<10)}
}

// say writes a value; errLong: nothing was written.
func (p *pipe) say(v any) error {
	return p.sayWithin(v, maxLine-1)
}

func (p *pipe) sayWithin(v any, most int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > most {
		return errLong
	}
	_, err = p.w.Write(append(b, '\n'))
	return err
}

// why is an error as the other end is told.
func why(err error) string {
	s := err.Error()
	if len(s) > maxWhy {
		s = strings.ToValidUTF8(s[:maxWhy], "") + " ..."
	}
	return s
}

// hear reads a value; io.EOF: there are no more.
func (p *pipe) hear(v any) error {
	line, err := p.r.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(line) == 0 {
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	return json.Unmarshal(line, v)
}

// send writes the octets of r.
func (p *pipe) send(r io.Reader) error {
	buf := make([]byte, 4+32<<10)
	for {
		n, err := io.ReadFull(r, buf[4:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			// The other end must not take what came for a whole message.
			return err
		}
		if n > 0 {
			binary.BigEndian.PutUint32(buf, uint32(n))
			if _, err := p.w.Write(buf[:4+n]); err != nil {
				return err
			}
		}
		if err != nil {
			_, err := p.w.Write([]byte{0, 0, 0, 0})
			return err
		}
	}
}

// pieces reads the octets of one message.
type pieces struct {
	r    *bufio.Reader
	left uint32
	end  bool
	err  error
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	for p.left == 0 {
		if p.end || p.err != nil {
			return 0, errOr(p.err, io.EOF)
		}
		var head [4]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil {
			return 0, p.fail(err)
		}
		p.left = binary.BigEndian.Uint32(head[:])
		p.end = p.left == 0
		if p.left > maxPiece {
			return 0, p.fail(fmt.Errorf("a piece of %d octets", p.left))
		}
	}
	n, err := p.r.Read(b[:min(len(b), int(p.left))])
	p.left -= uint32(n)
	if err != nil {
		return n, p.fail(err)
	}
	return n, nil
}

func (p *pieces) fail(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	p.err = fmt.Errorf("transfer: %w", err)
	return p.err
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
