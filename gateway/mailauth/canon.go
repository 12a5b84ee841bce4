package mailauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math/bits"
)

// Canon is a canonicalisation algorithm (RFC 6376 section 3.4).
type Canon uint8

const (
	Relaxed Canon = iota
	Simple
)

// String returns the algorithm's name in c=.
func (c Canon) String() string { return [...]string{"relaxed", "simple"}[c] }

// BodyForm is one way in which a body is hashed.
type BodyForm struct {
	Canon Canon
	Limit int64 // canonical octets that count, as l= says; negative: all
}

// BodyHash is the SHA-256 hash of a body in one form.
type BodyHash struct {
	Form   BodyForm
	Sum    [sha256.Size]byte
	Octets int64 // of the whole canonical body
}

// BodyHasher hashes a body in several forms in one pass, as its bytes arrive
// in pieces of any size. Bytes count as they are: only CRLF ends a line. Its
// memory does not grow with the body. It is an io.Writer and an io.ReaderFrom.
type BodyHasher struct {
	canons [2]*bodyCanon // by Canon; nil: not wanted
	done   bool
}

var errHashDone = errors.New("mailauth: body written after its hash was taken")

// NewBodyHasher returns a hasher for the forms, of which repeated ones cost
// nothing.
func NewBodyHasher(forms ...BodyForm) *BodyHasher {
	h := new(BodyHasher)
	for _, f := range forms {
		h.add(f)
	}
	return h
}

func (h *BodyHasher) add(f BodyForm) {
	if f.Limit < 0 {
		f.Limit = -1
	}
	c := h.canons[f.Canon]
	if c == nil {
		c = &bodyCanon{relaxed: f.Canon == Relaxed}
		h.canons[f.Canon] = c
	}
	for i := range c.sums {
		if c.sums[i].limit == f.Limit {
			return
		}
	}
	c.sums = append(c.sums, bodySum{hash: sha256.New(), limit: f.Limit})
}

// forms tells how many different hashes are computed.
func (h *BodyHasher) forms() int {
	n := 0
	for _, c := range h.canons {
		if c != nil {
			n += len(c.sums)
		}
	}
	return n
}

// Write takes the next bytes of the body. It fails only after Sum.
func (h *BodyHasher) Write(p []byte) (int, error) {
	if h.done {
		return 0, errHashDone
	}
	for _, c := range h.canons {
		switch {
		case c == nil:
		case c.relaxed:
			c.writeRelaxed(p)
		default:
			c.writeSimple(p)
		}
	}
	return len(p), nil
}

// readBuffer is what ReadFrom reads at a time.
const readBuffer = 16 << 10

// ReadFrom takes the body from r up to its end.
func (h *BodyHasher) ReadFrom(r io.Reader) (int64, error) {
	buf := make([]byte, readBuffer)
	var n int64
	for {
		m, err := r.Read(buf)
		n += int64(m)
		if _, werr := h.Write(buf[:m]); werr != nil {
			return n, werr
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// ReadBody takes the body from what open returns, if any hash of it is wanted.
func (h *BodyHasher) ReadBody(open func() io.ReadCloser) error {
	if h.forms() == 0 {
		return nil
	}
	r := open()
	defer r.Close()
	_, err := io.Copy(h, r)
	return err
}

// Sum ends the body and returns its hash in one of the forms given to
// NewBodyHasher; false for another.
func (h *BodyHasher) Sum(f BodyForm) (BodyHash, bool) {
	if !h.done {
		h.done = true
		for _, c := range h.canons {
			if c != nil {
				c.finish()
			}
		}
	}
	if f.Limit < 0 {
		f.Limit = -1
	}
	c := h.canons[f.Canon]
	if c == nil {
		return BodyHash{}, false
	}
	for i := range c.sums {
		if c.sums[i].limit == f.Limit {
			b := BodyHash{Form: f, Octets: c.total}
			c.sums[i].hash.Sum(b.Sum[:0])
			return b, true
		}
	}
	return BodyHash{}, false
}

// bodySum hashes canonical octets up to a limit.
type bodySum struct {
	hash  hash.Hash
	limit int64 // -1: none
	n     int64
}

func (s *bodySum) write(b []byte) {
	if s.limit >= 0 && int64(len(b)) > s.limit-s.n {
		b = b[:s.limit-s.n]
	}
	s.n += int64(len(b))
	s.hash.Write(b)
}

const (
	canonBuffer = 1024 // small pieces are gathered here, since hashing them one by one is slow
	canonDirect = 256  // pieces from this size on are hashed where they are
)

// bodyCanon canonicalises a body (RFC 6376 sections 3.4.3 and 3.4.4). What
// cannot be judged yet is pending: white space, a CR, empty lines (counted,
// not kept), in the order CRLFs, space, CR.
type bodyCanon struct {
	relaxed bool
	space   bool  // white space after the last octet written
	cr      bool  // a CR that may begin a line end
	lines   int64 // line ends that may be the last
	total   int64 // canonical octets so far
	sums    []bodySum
	n       int
	buf     [canonBuffer]byte
}

// emit adds canonical octets.
func (c *bodyCanon) emit(b []byte) {
	c.total += int64(len(b))
	if len(b) >= canonDirect {
		c.flush()
		for i := range c.sums {
			c.sums[i].write(b)
		}
		return
	}
	if c.n+len(b) > len(c.buf) {
		c.flush()
	}
	c.n += copy(c.buf[c.n:], b)
}

func (c *bodyCanon) emitByte(b byte) {
	if c.n == len(c.buf) {
		c.flush()
	}
	c.buf[c.n] = b
	c.n++
	c.total++
}

func (c *bodyCanon) flush() {
	if c.n == 0 {
		return
	}
	for i := range c.sums {
		c.sums[i].write(c.buf[:c.n])
	}
	c.n = 0
}

const crlfs = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"

// release emits what was pending, since something other than a line end
// follows.
func (c *bodyCanon) release() {
	if c.lines == 0 && !c.space {
		return
	}
	for c.lines > 0 {
		n := min(c.lines, int64(len(crlfs)/2))
		for i := range int(n) * 2 {
			c.emitByte(crlfs[i])
		}
		c.lines -= n
	}
	if c.space {
		c.space = false
		c.emitByte(' ')
	}
}

// step takes one octet.
func (c *bodyCanon) step(b byte) {
	if c.cr {
		c.cr = false
		if b == '\n' {
			c.space = false
			c.lines++
			return
		}
		c.release()
		c.emitByte('\r')
	}
	switch {
	case b == '\r':
		c.cr = true
	case c.relaxed && (b == ' ' || b == '\t'):
		c.space = true
	default:
		c.release()
		c.emitByte(b)
	}
}

func (c *bodyCanon) writeSimple(b []byte) {
	for c.cr && len(b) > 0 {
		c.step(b[0])
		b = b[1:]
	}
	// Only the CRs and LFs at the end may be the body's last lines.
	end := len(b)
	for end > 0 && (b[end-1] == '\n' || b[end-1] == '\r') {
		end--
	}
	if end > 0 {
		c.release()
		c.emit(b[:end])
	}
	for b = b[end:]; len(b) > 0; {
		if !c.cr && len(b) > 1 && b[0] == '\r' && b[1] == '\n' {
			c.lines++
			b = b[2:]
			continue
		}
		c.step(b[0])
		b = b[1:]
	}
}

func (c *bodyCanon) writeRelaxed(b []byte) {
	tab := -1 // the next TAB is not before b[tab]
	for i := 0; i < len(b); {
		switch x := b[i]; {
		case x == '\r' && !c.cr && i+1 < len(b) && b[i+1] == '\n':
			c.space = false
			c.lines++
			i += 2
			continue
		case c.cr || x == '\r':
			c.step(x)
			i++
			continue
		case x == ' ' || x == '\t':
			for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
				i++
			}
			c.space = true
			continue
		case x < ' ':
			c.step(x)
			i++
			continue
		}
		c.release()
		if tab < i {
			if n := bytes.IndexByte(b[i:], '\t'); n < 0 {
				tab = len(b)
			} else {
				tab = i + n
			}
		}
		n := plainRun(b[i:min(len(b), tab+1)]) // never its last octet, a TAB
		c.emit(b[i : i+n])
		i += n
	}
}

const (
	swarLow7 = 0x7f7f7f7f7f7f7f7f
	swarHigh = 0x8080808080808080
	swarLow  = 0x5f5f5f5f5f5f5f5f // what makes 0x21 and above reach 0x80
)

// plainRun returns how many octets b begins with that relaxed
// canonicalisation keeps as they are, TABs not considered: those before two
// octets of 0x20 or less in a row, if these are not a CRLF with text after it.
// It looks at eight octets at a time.
func plainRun(b []byte) int {
	i, carry := 0, uint64(0)
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		m := ^((w&swarLow7 + swarLow) | w) & swarHigh // octets of 0x20 or less
		pair := m & (m<<8 | carry)
		if pair == 0 {
			carry = m >> 56
			i += 8
			continue
		}
		p := i + bits.TrailingZeros64(pair)/8 - 1
		if !lineEndInside(b, p) {
			return p
		}
		i, carry = p+2, 0
	}
	if carry != 0 {
		i--
	}
	for ; i < len(b); i++ {
		switch {
		case b[i] > ' ':
		case lineEndInside(b, i):
			i++
		case i+1 == len(b) || b[i+1] <= ' ':
			return i
		}
	}
	return len(b)
}

// lineEndInside tells whether b[p:] begins with CRLF and text.
func lineEndInside(b []byte, p int) bool {
	return p+2 < len(b) && b[p] == '\r' && b[p+1] == '\n' && b[p+2] > ' '
}

// finish ends the body: one line end at its end, except that an empty body
// stays empty in the relaxed form.
func (c *bodyCanon) finish() {
	if c.cr {
		c.cr = false
		c.release()
		c.emitByte('\r')
	}
	c.lines, c.space = 0, false
	if c.total > 0 || !c.relaxed {
		c.emit([]byte("\r\n"))
	}
	c.flush()
}
