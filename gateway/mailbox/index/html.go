package index

import (
	"bytes"
	stdhtml "html"
	"io"
	"strings"
)

const (
	maxTagName = 16 // octets of a tag's name that are looked at
	maxEntity  = 32 // octets of a character reference
	htmlRoom   = 4096
)

// html writes the visible text of HTML. It never goes back and remembers a
// few octets only, so that no markup costs more than its length.
type html struct {
	w     io.Writer
	out   []byte
	state htmlState
	quote byte
	name  []byte // of the tag or the reference that is being read
	skip  string // the element whose content is not shown
	dash  int    // hyphens at the end of a comment so far
	err   error
}

type htmlState uint8

const (
	htmlText htmlState = iota
	htmlReference
	htmlTagName
	htmlTag // after the name
	htmlQuoted
	htmlComment
	htmlDeclaration // <! or <?
)

// Write implements io.Writer.
func (h *html) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && h.err == nil {
		p = p[h.step(p):]
		if len(h.out) > htmlRoom-maxEntity {
			h.flush()
		}
	}
	return n, h.err
}

// Close implements io.Closer.
func (h *html) Close() error {
	if h.state == htmlReference {
		h.endReference(0)
	}
	h.flush()
	return h.err
}

func (h *html) flush() {
	if len(h.out) > 0 && h.err == nil {
		_, h.err = h.w.Write(h.out)
	}
	h.out = h.out[:0]
}

// step takes some octets and tells how many.
func (h *html) step(p []byte) int {
	c := p[0]
	switch h.state {
	case htmlText:
		return h.text(p)
	case htmlReference:
		if c == ';' || len(h.name) >= maxEntity || c != '#' && !letter(c) && (c < '0' || c > '9') {
			return h.endReference(c)
		}
		h.name = append(h.name, c)
	case htmlTagName:
		h.tagName(c)
	case htmlTag:
		switch c {
		case '>':
			h.endTag()
		case '"', '\'':
			h.state, h.quote = htmlQuoted, c
		}
	case htmlQuoted:
		if n := bytes.IndexByte(p, h.quote); n >= 0 {
			h.state = htmlTag
			return n + 1
		}
		return len(p)
	case htmlComment:
		switch {
		case c == '-':
			h.dash++
		case c == '>' && h.dash >= 2:
			h.state = htmlText
		default:
			h.dash = 0
		}
	case htmlDeclaration:
		if c == '>' {
			h.state = htmlText
		}
	}
	return 1
}

// text passes text on up to markup.
func (h *html) text(p []byte) int {
	n := bytes.IndexByte(p, '<')
	if n < 0 {
		n = len(p)
	}
	n = min(n, htmlRoom)
	if h.skip == "" {
		if k := bytes.IndexByte(p[:n], '&'); k >= 0 {
			n = k
		}
		h.out = append(h.out, p[:n]...)
	}
	if n > 0 {
		return n
	}
	h.name = h.name[:0]
	if p[0] == '&' {
		h.state = htmlReference
	} else {
		h.state = htmlTagName
	}
	return 1
}

// endReference writes the character of a reference that c ends.
func (h *html) endReference(c byte) int {
	n := 0
	s := "&" + string(h.name)
	if c == ';' {
		s += ";"
		n = 1
	}
	h.out = append(h.out, stdhtml.UnescapeString(s)...)
	h.state = htmlText
	return n
}

// tagName takes an octet of a tag's name.
func (h *html) tagName(c byte) {
	first := len(h.name) == 0
	switch {
	case first && c != '/' && c != '!' && c != '?' && !letter(c): // no tag: a < b
		if h.skip == "" {
			h.out = append(h.out, '<')
		}
		h.state = htmlText
		h.step([]byte{c})
	case h.skip != "" && (first && c != '/' || !first && h.name[0] != '/'): // within a script
		h.state = htmlText
		h.step([]byte{c})
	case first && c == '?':
		h.state = htmlDeclaration
	case c == '>':
		h.endTag()
	case string(h.name) == "!-" && c == '-':
		h.state, h.dash = htmlComment, 2 // <!--> is whole
	case !first && h.name[0] == '!' && !(len(h.name) == 1 && c == '-'):
		h.state = htmlDeclaration
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/' && !first:
		h.state = htmlTag
	default:
		if len(h.name) < maxTagName {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			h.name = append(h.name, c)
		}
	}
}

// endTag is at the end of a tag.
func (h *html) endTag() {
	h.state = htmlText
	name := string(h.name)
	if h.skip != "" {
		if name == "/"+h.skip {
			h.skip = ""
		}
		return
	}
	switch name {
	case "script", "style", "title", "noembed", "noframes":
		h.skip = name
	}
	if !inline(strings.TrimPrefix(name, "/")) {
		h.out = append(h.out, '\n')
	}
}

// inline tells whether text before and after a tag belongs to one word.
func inline(name string) bool {
	switch name {
	case "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
		"kbd", "mark", "o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr":
		return true
	}
	return false
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
