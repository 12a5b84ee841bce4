package search

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/mailbox/index"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Bounds of what can be found in a message.
const (
	MaxText   = 1 << 20  // octets of body text
	MaxHeader = 64 << 10 // octets of header text
)

// Text is what is searched of a message: folded UTF-8 in which every run of
// white space is one space, and a line feed parts what does not belong
// together.
type Text struct {
	Header, Body []byte

	part []byte // of the part that is being read, not yet folded
	w    io.WriteCloser
}

var texts = sync.Pool{New: func() any { return new(Text) }}

const maxKept = 256 << 10 // octets of buffers that are kept for the next message

// release gives the buffers back; t must not be used after it.
func (t *Text) release() {
	if cap(t.Header)+cap(t.Body)+cap(t.part) <= maxKept {
		texts.Put(t)
	}
}

// Extract reads a message and returns its text, up to MaxText and MaxHeader.
// The error is that of reading.
func Extract(r io.Reader) (*Text, error) {
	t := texts.Get().(*Text)
	t.Header, t.Body, t.part, t.w = t.Header[:0], t.Body[:0], t.part[:0], nil
	_, err := message.WalkStructure(r, message.WalkLimits{Depth: index.MaxDepth, Parts: index.MaxParts, NoSizes: true}, (*extractor)(t))
	if err == errEnough {
		err = nil
	}
	return t, err
}

// errEnough ends a walk over a message whose text is as long as it may be.
var errEnough = io.ErrShortBuffer

// extractor visits the parts of a message.
type extractor Text

// Begin implements message.StructureVisitor.
func (x *extractor) Begin(e *message.Entity) io.Writer {
	if e.HeaderAt == 0 {
		x.Header = appendHeader(x.Header, e.Header, MaxHeader)
	} else {
		x.Body = appendHeader(x.Body, e.Header, len(x.Body)+MaxHeader)
	}
	if e.Content.Filename != "" {
		x.Body = appendText(x.Body, e.Content.Filename)
	}
	if e.Kind != message.EntityLeaf || !strings.HasPrefix(e.Content.Type, "text/") {
		return nil
	}
	x.part = x.part[:0]
	x.w = index.TextWriter(e.Content.Type, e.Content.Param("charset"), partWriter{x})
	return x.w
}

// End implements message.StructureVisitor.
func (x *extractor) End(*message.Entity) {
	if x.w == nil {
		return
	}
	x.w.Close()
	x.w = nil
	if utf8.Valid(x.part) {
		x.Body = appendText(x.Body, x.part)
	} else {
		x.Body = appendText(x.Body, message.DecodeCharset("", x.part))
	}
}

type partWriter struct{ x *extractor }

// Write implements io.Writer.
func (w partWriter) Write(b []byte) (int, error) {
	room := MaxText - len(w.x.Body) - len(w.x.part)
	if room <= 0 {
		return len(b), nil
	}
	w.x.part = append(w.x.part, b[:min(len(b), room)]...)
	return len(b), nil
}

// appendText appends text, folded, as something of its own.
func appendText[T string | []byte](dst []byte, s T) []byte {
	if len(s) == 0 {
		return dst
	}
	n := len(dst)
	dst = index.AppendFold(dst, s)
	return append(squeeze(dst, n), '\n')
}

// Fold makes a text what it is looked for as in a Text.
func Fold(text string) []byte { return squeeze(index.AppendFold(nil, text), 0) }

// squeeze makes one space of every run of white space in b[from:].
func squeeze(b []byte, from int) []byte {
	to := from
	space := false
	for i := from; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			i++
			if c <= ' ' {
				space = true
				continue
			}
			if space {
				b[to] = ' '
				to++
				space = false
			}
			b[to] = c
			to++
			continue
		}
		r, k := utf8.DecodeRune(b[i:])
		if unicode.IsSpace(r) {
			space = true
			i += k
			continue
		}
		if space {
			b[to] = ' '
			to++
			space = false
		}
		to += copy(b[to:], b[i:i+k])
		i += k
	}
	if space && to > from {
		b[to] = ' '
		to++
	}
	return b[:to]
}

// machines tells of a field that only machines write and read.
func machines(name string) bool {
	switch n := strings.ToLower(name); n {
	case "received", "x-received", "return-path", "dkim-signature", "domainkey-signature", "x-google-dkim-signature", "received-spf",
		"authentication-results", "x-gm-message-state", "x-google-smtp-source", "content-type", "content-transfer-encoding",
		"mime-version", "content-disposition", "x-original-authentication-results", "autocrypt", "x-gm-features", "dkim-filter":
		return true
	default:
		return strings.HasPrefix(n, "arc-") || strings.HasPrefix(n, "x-ms-exchange-") || strings.HasPrefix(n, "x-microsoft-antispam") ||
			strings.HasPrefix(n, "x-forefront-")
	}
}

// appendHeader appends the fields that people search, until dst is limit long.
func appendHeader(dst []byte, h *message.Header, limit int) []byte {
	fields := h.Fields()
	for i := range fields {
		f := &fields[i]
		if f.Name == "" || machines(f.Name) {
			continue
		}
		if len(dst)+len(f.Raw) > limit {
			break
		}
		n := len(dst)
		dst = index.AppendFold(dst, f.Name)
		dst = append(dst, ": "...)
		if v := f.Body(); bytes.Contains(v, []byte("=?")) || !utf8.Valid(v) {
			dst = index.AppendFold(dst, message.DecodeText(f.Value()))
		} else {
			dst = index.AppendFold(dst, bytes.TrimSpace(v))
		}
		dst = append(squeeze(dst, n), '\n')
	}
	return dst
}
