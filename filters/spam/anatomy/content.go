package anatomy

import (
	"bytes"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/text"
)

// Bounds of how much of a message is gone through to find what counts.
const (
	MaxText    = 256 << 10 // octets of one text part that are looked at, without what shows nothing
	maxTail    = 32 << 10  // octets at the end of a longer one
	maxTails   = 2
	maxSqueeze = 1 << 20 // octets of all long text parts of which what shows nothing is taken out
	maxRaw     = 4 << 20 // octets of all long text parts that are gone through
	firstBuf   = 16 << 10
)

// Content is what is kept of the content of one leaf while it is read: of a long
// text its beginning, blanks and comments taken out, and its end.
type Content struct {
	buf      []byte
	limit    int
	kind     kind
	whole    bool // nothing is taken out
	charset  string
	wide     bool // UTF-16
	full     bool
	done     int // octets that are squeezed
	squeezer text.Squeezer
	tail     []byte
	m        *Message // its bounds
}

// Content readies m for the content of a leaf. It is valid until the next one.
func (m *Message) Content(p Info) *Content {
	c := &m.content
	c.kind, c.limit = kindOf(p), Wants(p)
	c.buf, c.tail, c.full, c.done, c.m = c.buf[:0], c.tail[:0], false, 0, m
	c.whole = c.kind != plainText && c.kind != htmlText
	c.charset, c.wide = p.Charset, false
	c.squeezer.Reset()
	return c
}

// squeezed takes out of the beginning of a text, or a later piece of it, what
// shows nothing, in place. done octets of the length that is left are settled,
// whatever follows. Where octets of ASCII may mean others, only blanks go.
func squeezed(s *text.Squeezer, k kind, charset string, wide bool, b []byte) (length, done int) {
	switch {
	case wide:
		length = s.Wide(b)
	case k == htmlText && !shifts(charset):
		return s.HTML(b)
	default:
		length = s.Plain(b)
	}
	return length, length
}

// shifts tells of the seven-bit charsets of letters beyond ASCII that are read.
func shifts(charset string) bool {
	charset = strings.ToLower(charset)
	return strings.Contains(charset, "2022") || strings.Contains(charset, "utf-7") || strings.Contains(charset, "utf7")
}

// Room is where the next octets are to be written; empty when no more are
// wanted.
func (c *Content) Room() []byte {
	if !c.full && len(c.buf) == c.limit {
		c.squeeze()
	}
	if !c.full {
		if len(c.buf) == cap(c.buf) {
			size := min(c.limit, max(firstBuf, 2*cap(c.buf)))
			c.buf = append(make([]byte, 0, size), c.buf...)
		}
		return c.buf[len(c.buf):min(cap(c.buf), c.limit)]
	}
	if c.whole || c.m.raw <= 0 {
		return nil
	}
	if c.tail == nil {
		c.tail = make([]byte, 0, 2*maxTail)
	}
	if len(c.tail) == cap(c.tail) {
		c.tail = c.tail[:copy(c.tail, c.tail[len(c.tail)-maxTail:])]
	}
	return c.tail[len(c.tail):min(cap(c.tail), len(c.tail)+c.m.raw)] // so much, however it is read
}

// Took tells that n octets were written to Room.
func (c *Content) Took(n int) {
	if c.full {
		c.tail = c.tail[:len(c.tail)+n]
		c.m.raw -= n
	} else {
		c.buf = c.buf[:len(c.buf)+n]
	}
}

// Write implements io.Writer: it keeps what is wanted.
func (c *Content) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		room := c.Room()
		if len(room) == 0 {
			break
		}
		n := copy(room, rest)
		c.Took(n)
		rest = rest[n:]
	}
	return len(b), nil
}

// squeeze makes room, as long as that is worth it.
func (c *Content) squeeze() {
	if c.full = c.limit == 0 || c.whole || c.m.squeeze <= 0; c.full {
		return
	}
	if c.done == 0 {
		c.wide = text.IsUTF16(c.buf, c.charset)
	}
	fresh := c.buf[c.done:]
	c.m.squeeze -= len(fresh)
	length, done := squeezed(&c.squeezer, c.kind, c.charset, c.wide, fresh)
	c.buf, c.done = c.buf[:c.done+length], c.done+done
	c.full = c.limit-len(c.buf) < c.limit/16
	if c.full && cap(c.buf) > len(c.buf) { // the end is kept apart
		c.limit = len(c.buf)
	}
}

// Bytes is what was kept: the beginning, and the end of what is longer.
func (c *Content) Bytes() (head, tail []byte) {
	if !c.full && len(c.buf) == c.limit { // as if more had been asked for
		c.squeeze()
	}
	return c.buf, lastOf(c.tail, max(grace, maxTail-c.m.work/perTail), c.buf, c.wide)
}

// lastOf is the last n octets of b: where it is longer, from the end of a tag or a
// line on. UTF-16 has the mark that head begins with.
func lastOf(b []byte, n int, head []byte, wide bool) []byte {
	switch from := max(0, len(b)-n); {
	case wide:
		b = b[from&^1:]
		copy(b, head[:min(2, len(head))])
	case from > 0:
		b = b[from:]
		b = b[1+bytes.IndexAny(b, ">\n"):]
	}
	return b
}
