package index

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
)

const maxPreviewText = 4096 // octets of text that a preview is made of

// preview collects the beginning of the first plain text and of the first
// HTML; the plain text is shown unless there is nothing in it.
type preview struct {
	plain, html       []byte
	hasPlain, hasHTML bool
	open              io.WriteCloser
}

// part returns where a text part's octets go, nil when they are not wanted.
func (p *preview) part(e *message.Entity) io.Writer {
	var to *[]byte
	switch {
	case e.Content.Type == "text/plain" && !p.hasPlain:
		p.hasPlain, to = true, &p.plain
	case e.Content.Type == "text/html" && !p.hasHTML:
		p.hasHTML, to = true, &p.html
	default:
		return nil
	}
	if cap(*to) == 0 {
		*to = make([]byte, 0, maxPreviewText)
	}
	p.open = TextWriter(e.Content.Type, e.Content.Param("charset"), limited{to})
	return p.open
}

// end ends the part that is open.
func (p *preview) end() {
	if p.open != nil {
		p.open.Close()
		p.open = nil
	}
}

// limited keeps the beginning of what is written.
type limited struct{ to *[]byte }

func (l limited) Write(b []byte) (int, error) {
	*l.to = append(*l.to, b[:min(len(b), cap(*l.to)-len(*l.to))]...)
	return len(b), nil
}

// text returns the preview.
func (p *preview) text() []byte {
	for _, t := range [...][]byte{unquoted(p.plain), p.plain, p.html} {
		if s := oneLine(t); len(s) > 0 {
			return s
		}
	}
	return nil
}

// unquoted returns the text before a signature without the lines that quote
// another message, in t's own room when nothing has to be left out.
func unquoted(t []byte) []byte {
	if i := bytes.Index(t, []byte("\n-- \r\n")); i > 0 {
		t = t[:i]
	}
	if bytes.IndexByte(t, '>') < 0 {
		return t
	}
	var out []byte
	for len(t) > 0 {
		n := bytes.IndexByte(t, '\n') + 1
		if n == 0 {
			n = len(t)
		}
		if t[0] != '>' {
			out = append(out, t[:n]...)
		}
		t = t[n:]
	}
	return out
}

// oneLine makes one line of the text: runs of white space one space each,
// nothing invisible, at most PreviewLength characters.
func oneLine(t []byte) []byte {
	if cut := len(t) - 1; len(t) == maxPreviewText { // do not end within a character
		for cut > len(t)-utf8.UTFMax && !utf8.RuneStart(t[cut]) {
			cut--
		}
		t = t[:cut]
	}
	if !utf8.Valid(t) {
		t = []byte(message.DecodeCharset("", t))
	}
	out := make([]byte, 0, PreviewLength+16)
	space := false
	n := 0
	for len(t) > 0 && n < PreviewLength {
		r, k := rune(t[0]), 1
		if r >= utf8.RuneSelf {
			r, k = utf8.DecodeRune(t)
		}
		t = t[k:]
		switch {
		case r == ' ' || unicode.IsSpace(r):
			space = len(out) > 0
			continue
		case r < ' ' || r == 0x7f || r >= utf8.RuneSelf && invisible(r):
			continue
		}
		if space {
			out = append(out, ' ')
			space = false
			if n++; n == PreviewLength {
				return out[:len(out)-1]
			}
		}
		out = utf8.AppendRune(out, r)
		n++
	}
	return out
}

// invisible characters pad the previews that senders of bulk mail write.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) && r != 0x200c && r != 0x200d || r == 0x34f || r == 0x2800 || r == 0x3164 || r == utf8.RuneError || unicode.IsControl(r)
}
