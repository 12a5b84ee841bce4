package pop3d

import (
	"bytes"
	"io"
	"strconv"
	"sync"

	"github.com/gapura-mail/gapura/gateway/blob"
)

const (
	// chunk is how much of a message is read, and sent, at once.
	chunk = 60 << 10
	// topChunk is the same for TOP, which mostly wants a header.
	topChunk = 8 << 10
)

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// send answers with a message, or with its header and so many lines of its
// body; below 0: all. Octets go from the blob straight to the output where no
// line begins with a dot, which is nearly always.
func (c *conn) send(r blob.Reader, lines int64) error {
	mark := c.Queued()
	size, step := r.Size(), chunk
	if lines >= 0 {
		step = topChunk
		c.say("Top follows")
	} else {
		c.say(strconv.FormatInt(size, 10), " octets")
	}
	top := top{left: lines}
	sent := false // what was queued since mark
	last := byte('\n')
	for ended := false; !ended; {
		before := c.Queued()
		b, err := c.Room(min(step, int(min(size, chunk))+1) + len("\r\n.\r\n"))
		if err != nil {
			return c.cut(err)
		}
		sent = sent || c.Queued() < before
		part, err := r.Read(b[len(b):min(cap(b), len(b)+step)])
		text := b[len(b) : len(b)+part]
		switch {
		case err == io.EOF:
			ended = true
		case err != nil && !sent && len(c.Output()) >= mark: // nothing of it has been said yet
			c.SetOutput(c.Output()[:mark])
			return err
		case err != nil:
			return c.cut(err)
		}
		if lines >= 0 {
			text, ended = top.cut(text, ended)
		}
		if len(text) == 0 {
			continue
		}
		final := text[len(text)-1]
		if dotted(text, last) {
			before = c.Queued()
			if err := c.stuff(text, last); err != nil {
				return c.cut(err)
			}
			sent = sent || c.Queued() < before+len(text)
		} else {
			c.SetOutput(b[:len(b)+len(text)])
		}
		last = final
	}
	if last != '\n' { // APPEND takes such messages
		c.WriteString("\r\n")
	}
	return c.end()
}

// dotted tells whether a line of text begins with a dot; last is the octet
// before it.
func dotted(text []byte, last byte) bool {
	return last == '\n' && text[0] == '.' || bytes.Contains(text, []byte("\n."))
}

// stuff queues text with a dot before each line that begins with one (RFC 1939
// section 3). The text may be in the free part of the output.
func (c *conn) stuff(text []byte, last byte) error {
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	text = buf[:copy(buf[:], text)]
	if last == '\n' && text[0] == '.' {
		c.WriteString(".")
	}
	for {
		i := bytes.Index(text, []byte("\n."))
		if i < 0 {
			_, err := c.Write(text)
			return err
		}
		b, err := c.Room(i + 2)
		if err != nil {
			return err
		}
		c.SetOutput(append(append(b, text[:i+1]...), '.'))
		text = text[i+1:]
	}
}

// top finds where TOP ends.
type top struct {
	left   int64 // lines of the body
	inBody bool
	begun  int // octets of the line that is being read, without CR
}

// cut returns how much of text belongs to it, and whether that was the end.
func (t *top) cut(text []byte, ended bool) ([]byte, bool) {
	for at := 0; at < len(text); {
		if t.inBody && t.left == 0 {
			return text[:at], true
		}
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			t.begun += len(bytes.TrimSuffix(text[at:], []byte("\r")))
			break
		}
		line := bytes.TrimSuffix(text[at:at+i], []byte("\r"))
		at += i + 1
		switch {
		case t.inBody:
			t.left--
		case t.begun+len(line) == 0:
			t.inBody = true
		}
		t.begun = 0
	}
	return text, ended || t.inBody && t.left == 0
}
