package specimen

import (
	"bytes"
	"encoding/base64"
	"io"
	"iter"
	"mime"
	"mime/quotedprintable"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

const (
	maxParts   = 200 // parts of one multipart that are looked at
	maxNesting = 10
)

// node is an entity of a message that is taken apart to be changed. What is
// not changed keeps its bytes.
type node struct {
	head      []byte // with the line break of its last field, without the empty line
	sep       []byte // the empty line
	body      []byte
	eol       string
	boundary  string // of a multipart: kids, and what is before and after them
	kids      []*node
	pre, post []byte
}

func parse(raw []byte, depth int) *node {
	n := &node{eol: "\n", sep: []byte("\n")}
	if bytes.Contains(raw[:min(len(raw), 2000)], []byte("\r\n")) {
		n.eol, n.sep = "\r\n", []byte("\r\n")
	}
	switch i := bytes.Index(raw, []byte(n.eol+n.eol)); {
	case bytes.HasPrefix(raw, []byte(n.eol)):
		n.body = raw[len(n.eol):]
	case i < 0:
		n.head, n.sep = raw, nil
	default:
		n.head, n.body = raw[:i+len(n.eol)], raw[i+2*len(n.eol):]
	}
	kind, params, _ := mime.ParseMediaType(n.field("Content-Type"))
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" && depth < maxNesting {
		n.cut(params["boundary"], depth)
	}
	n.head = n.head[:len(n.head):len(n.head)]
	return n
}

// cut splits a multipart at the lines of its boundary.
func (n *node) cut(boundary string, depth int) {
	mark := []byte("--" + boundary)
	var kids []*node
	start, pos := -1, 0
	var pre []byte
	for line := range bytes.Lines(n.body) {
		begin := pos
		pos += len(line)
		if !bytes.HasPrefix(line, mark) || len(kids) > maxParts {
			continue
		}
		if start < 0 {
			pre = n.body[:begin]
		} else {
			kids = append(kids, parse(bytes.TrimSuffix(n.body[start:begin], []byte(n.eol)), depth+1))
		}
		start = pos
		if bytes.HasPrefix(line[len(mark):], []byte("--")) {
			n.kids, n.boundary, n.pre, n.post = kids, boundary, pre, n.body[pos:]
			return
		}
	}
	if start >= 0 && start < len(n.body) {
		kids = append(kids, parse(n.body[start:], depth+1))
	}
	if len(kids) > 0 {
		n.kids, n.boundary, n.pre = kids, boundary, pre
	}
}

func (n *node) bytes() []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	b.Write(n.head)
	if n.sep == nil {
		b.WriteString(n.eol)
	}
	b.Write(n.sep)
	if n.kids == nil {
		b.Write(n.body)
		return
	}
	b.Write(n.pre)
	for _, k := range n.kids {
		b.WriteString("--" + n.boundary + n.eol)
		k.write(b)
		b.WriteString(n.eol)
	}
	b.WriteString("--" + n.boundary + "--" + n.eol)
	b.Write(n.post)
}

// fields yields the raw fields of the head, folded lines included.
func (n *node) fields() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start, pos := 0, 0
		for line := range bytes.Lines(n.head) {
			if pos > start && line[0] != ' ' && line[0] != '\t' {
				if !yield(n.head[start:pos]) {
					return
				}
				start = pos
			}
			pos += len(line)
		}
		if pos > start {
			yield(n.head[start:pos])
		}
	}
}

func named(field []byte, name string) bool {
	return len(field) > len(name) && strings.EqualFold(string(field[:len(name)]), name) && bytes.HasPrefix(bytes.TrimLeft(field[len(name):], " \t"), []byte(":"))
}

func (n *node) field(name string) string {
	for f := range n.fields() {
		if named(f, name) {
			_, v, _ := strings.Cut(string(f), ":")
			return strings.Join(strings.Fields(v), " ")
		}
	}
	return ""
}

func (n *node) setField(name, value string) {
	var out []byte
	for f := range n.fields() {
		if !named(f, name) {
			out = append(out, f...)
		}
	}
	n.head = append(out, name+": "+value+n.eol...)
}

// takeContentFields removes the Content-* fields and returns them.
func (n *node) takeContentFields() []byte {
	var keep, taken []byte
	for f := range n.fields() {
		if len(f) > 8 && strings.EqualFold(string(f[:8]), "content-") {
			taken = append(taken, f...)
		} else {
			keep = append(keep, f...)
		}
	}
	n.head = keep
	return taken
}

func (n *node) setSubject(change func(string) string) {
	s := n.field("Subject")
	if d, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		n.setField("Subject", strings.ReplaceAll(mime.BEncoding.Encode("utf-8", change(d)), "?= =?", "?="+n.eol+" =?"))
	}
}

// texts yields the parts of text that a reader is shown.
func (n *node) texts() iter.Seq[*node] {
	return func(yield func(*node) bool) { n.walk(yield) }
}

func (n *node) walk(yield func(*node) bool) bool {
	if n.kids != nil {
		for _, k := range n.kids {
			if !k.walk(yield) {
				return false
			}
		}
		return true
	}
	kind, _, _ := mime.ParseMediaType(n.field("Content-Type"))
	isText := kind == "text/plain" || kind == "text/html" || kind == "" && n.field("Content-Type") == ""
	if !isText || strings.HasPrefix(strings.ToLower(n.field("Content-Disposition")), "attachment") {
		return true
	}
	return yield(n)
}

func (n *node) isHTML() bool {
	return strings.HasPrefix(strings.ToLower(n.field("Content-Type")), "text/html")
}

func (n *node) setType(kind string) {
	_, params, _ := mime.ParseMediaType(n.field("Content-Type"))
	n.setField("Content-Type", mime.FormatMediaType(kind, params))
}

// content is the body without its transfer encoding; false if that is broken.
func (n *node) content() ([]byte, bool) {
	switch strings.ToLower(n.field("Content-Transfer-Encoding")) {
	case "base64":
		out, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(n.body)))
		return out, err == nil
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(n.body)))
		return out, err == nil
	}
	return n.body, true
}

// contentUTF8 also takes the charset off, and notes that in the head.
func (n *node) contentUTF8() (string, bool) {
	data, ok := n.content()
	kind, params, err := mime.ParseMediaType(n.field("Content-Type"))
	if err != nil || params == nil {
		kind, params = "text/plain", map[string]string{}
	}
	if cs := strings.ToLower(params["charset"]); ok && cs != "" && cs != "utf-8" && cs != "us-ascii" {
		enc, err := htmlindex.Get(cs)
		if err != nil {
			return "", false
		}
		if data, err = enc.NewDecoder().Bytes(data); err != nil {
			return "", false
		}
	}
	params["charset"] = "utf-8"
	if ok {
		n.setField("Content-Type", mime.FormatMediaType(kind, params))
	}
	return string(data), ok
}

// setContent encodes data; "" keeps the encoding, or takes one that can hold
// it.
func (n *node) setContent(data []byte, cte string) {
	if cte == "" {
		cte = strings.ToLower(n.field("Content-Transfer-Encoding"))
	}
	switch cte {
	case "base64":
		n.body = bytes.ReplaceAll(base64Lines(data), []byte("\r\n"), []byte(n.eol))
	case "quoted-printable":
		n.body = escapeAll(data, n.eol)
	case "8bit", "binary":
		n.body = data
	default:
		if bytes.ContainsFunc(data, func(r rune) bool { return r > 126 }) {
			n.setField("Content-Transfer-Encoding", "8bit")
		}
		n.body = data
		return
	}
	n.setField("Content-Transfer-Encoding", cte)
}

// escapeAll is quoted-printable that writes every second letter as =XX.
func escapeAll(data []byte, eol string) []byte {
	const hex = "0123456789ABCDEF"
	var b bytes.Buffer
	col := 0
	for i, c := range data {
		if c == '\n' {
			b.WriteString(eol)
			col = 0
			continue
		}
		if c == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			continue
		}
		if col > 70 {
			b.WriteString("=" + eol)
			col = 0
		}
		last := i+1 == len(data) || data[i+1] == '\n' || data[i+1] == '\r'
		if c > 32 && c < 127 && c != '=' && (!letter(c) || i%2 == 0) || c == ' ' && !last {
			b.WriteByte(c)
			col++
			continue
		}
		b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		col += 3
	}
	return b.Bytes()
}
