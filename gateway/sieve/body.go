package sieve

import (
	"bytes"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"golang.org/x/net/html"
)

// bodySpecs is RFC 5173.
func bodySpecs() []spec {
	transform := []tagSpec{
		{name: "raw", group: "body transform"},
		{name: "text", group: "body transform"},
		{name: "content", group: "body transform", param: []param{{aStrings, "content types", false}}},
	}
	return []spec{{
		name: "body", ext: "body", test: true, tags: append(matchTags(), transform...),
		pos: []param{{aStrings, "key list", false}}, check: compileBody,
	}}
}

type bodyTest struct {
	raw   bool
	types []*str // nil: :text
	m     *matcher
}

func compileBody(c *compiler, n *node, a *args) test {
	m := c.matcher(n.Pos, a, a.pos[0].strs)
	if m == nil {
		return nil
	}
	return &bodyTest{a.has("raw"), a.tags["content"].strs, m}
}

// eval compares the strings that the transform makes of the body. Match
// variables stay as they are (RFC 5173 section 6).
func (t *bodyTest) eval(r *run) (bool, error) {
	if r.env.Message.Body == nil {
		return false, nil
	}
	values, err := t.values(r)
	if err != nil {
		return false, err
	}
	saved := r.capture
	r.capture = false
	defer func() { r.capture = saved }()
	return t.m.any(r, values)
}

func (t *bodyTest) values(r *run) ([]string, error) {
	if t.raw {
		raw, err := r.rawBody()
		return []string{raw}, err
	}
	b, err := r.parts()
	if err != nil {
		return nil, err
	}
	var values []string
	if t.types == nil {
		for i := range b.parts {
			if p := &b.parts[i]; p.isText() {
				values = append(values, p.plain())
			}
		}
		return values, nil
	}
	types, err := evalAll(r, t.types)
	if err != nil {
		return nil, err
	}
	for i := range b.parts {
		if p := &b.parts[i]; p.any(types) {
			values = p.content(values)
		}
	}
	return values, nil
}

// bodyText is what a run has read of the body.
type bodyText struct {
	parts []mimePart
	raw   string
	has   struct{ parts, raw bool }
}

// mimePart is one part, containers included, in order of appearance.
type mimePart struct {
	mediaType string // "" : none that is valid
	charset   string
	known     bool // its transfer encoding
	container bool
	header    *message.Header
	nested    *message.Header // of a message within
	end       int             // index after its last descendant
	data      bytes.Buffer    // decoded content; what comes before the first part of a multipart
	after     bytes.Buffer    // what comes after the last part
	text      *string         // decoded from its charset
	shown     *string         // and without markup
}

func (p *mimePart) isText() bool {
	return !p.container && p.known && (strings.HasPrefix(p.mediaType, "text/") || p.mediaType == "application/xhtml+xml")
}

// any tells whether one of the types means the part (RFC 5173 section 5.2).
func (p *mimePart) any(types []string) bool {
	for _, t := range types {
		t = strings.ToLower(t)
		slash := strings.Count(t, "/")
		switch {
		case t == "":
			return true
		case slash > 1 || strings.HasPrefix(t, "/") || strings.HasSuffix(t, "/"):
		case slash == 1 && p.mediaType == t:
			return true
		case slash == 0 && strings.HasPrefix(p.mediaType, t+"/"):
			return true
		}
	}
	return false
}

// content appends the strings that :content compares.
func (p *mimePart) content(values []string) []string {
	switch {
	case p.container && p.nested != nil:
		return append(values, string(p.nested.Raw()))
	case p.container && strings.HasPrefix(p.mediaType, "multipart/"):
		return append(values, p.data.String(), p.after.String())
	case p.container || !p.known:
		return values
	}
	return append(values, p.decoded())
}

// decoded returns the content as UTF-8.
func (p *mimePart) decoded() string {
	if p.text == nil {
		s := p.data.String()
		if strings.HasPrefix(p.mediaType, "text/") {
			s = strings.ToValidUTF8(message.DecodeCharset(p.charset, p.data.Bytes()), "\ufffd")
		}
		p.text = &s
	}
	return *p.text
}

// plain returns the text without markup.
func (p *mimePart) plain() string {
	if p.shown == nil {
		s := p.decoded()
		if strings.Contains(p.mediaType, "html") {
			s = stripMarkup(s)
		}
		p.shown = &s
	}
	return *p.shown
}

// stripMarkup returns the text of an HTML document.
func stripMarkup(s string) string {
	z := html.NewTokenizer(strings.NewReader(s))
	z.SetMaxBuf(len(s) + 1)
	var b strings.Builder
	skip := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if skip == 0 {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			if hidden(z) {
				skip++
			}
		case html.EndTagToken:
			if hidden(z) && skip > 0 {
				skip--
			}
		}
	}
}

func hidden(z *html.Tokenizer) bool {
	name, _ := z.TagName()
	return string(name) == "script" || string(name) == "style"
}

// open opens the body; close closes it.
func (r *run) open() (in io.Reader, closer func(), err error) {
	in, err = r.env.Message.Body()
	if err != nil {
		return nil, nil, err
	}
	return in, func() {
		if c, ok := in.(io.Closer); ok {
			c.Close()
		}
	}, nil
}

// rawBody reads the body as it came, up to the bound.
func (r *run) rawBody() (string, error) {
	b := r.bodyText()
	if !b.has.raw {
		in, closer, err := r.open()
		if err != nil {
			return "", err
		}
		defer closer()
		var s strings.Builder
		n, err := io.Copy(&s, &limited{r: r, in: in, left: r.opt.Body})
		if err != nil {
			return "", err
		}
		if err := r.spend(int(n)); err != nil {
			return "", err
		}
		b.raw, b.has.raw = s.String(), true
	}
	return b.raw, nil
}

func (r *run) bodyText() *bodyText {
	if r.body == nil {
		r.body = &bodyText{}
	}
	return r.body
}

// limited reads up to a bound, and no further when the run is over.
type limited struct {
	r    *run
	in   io.Reader
	left int
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, io.EOF
	}
	if err := l.r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// maxBodyFactor is how much of a body is read, as a multiple of the decoded
// text that is kept: attachments come before text, too.
const maxBodyFactor = 16

// parts walks over the body once. Text beyond the bound is not seen.
func (r *run) parts() (*bodyText, error) {
	b := r.bodyText()
	if b.has.parts {
		return b, nil
	}
	w := message.NewWalker(r.env.Message.Header, message.WalkLimits{})
	v := &partVisitor{b: b, left: r.opt.Body}
	in, closer := io.Reader(bytes.NewReader(nil)), func() {}
	if r.env.Message.Body != nil {
		var err error
		if in, closer, err = r.open(); err != nil {
			return nil, err
		}
	}
	defer closer()
	l := &limited{r: r, in: in, left: r.opt.Body * maxBodyFactor}
	if err := w.Walk(l, v); err != nil {
		return nil, err
	}
	b.has.parts = true
	return b, r.spend(r.opt.Body*maxBodyFactor - l.left)
}

// partVisitor collects parts.
type partVisitor struct {
	b    *bodyText
	left int   // octets of text that may be kept
	path []int // containers around
}

// Part implements message.Visitor.
func (v *partVisitor) Part(p *message.PartInfo) io.Writer {
	if n := len(v.path); n > 0 {
		if parent := &v.b.parts[v.path[n-1]]; parent.mediaType == "message/rfc822" || parent.mediaType == "message/global" {
			parent.nested = p.Header
		}
	}
	i := len(v.b.parts)
	v.b.parts = append(v.b.parts, mimePart{
		mediaType: mediaType(p), charset: p.Params["charset"], known: message.KnownEncoding(p.Encoding),
		container: p.Container, header: p.Header, end: i + 1,
	})
	v.path = append(v.path, i)
	if p.Container {
		return nil
	}
	return &partWriter{v: v, i: i}
}

// mediaType returns the part's type where its header says nothing wrong.
func mediaType(p *message.PartInfo) string {
	if p.Header != nil {
		if v, ok := p.Header.Get("Content-Type"); ok {
			t, _, _ := strings.Cut(v, ";")
			if strings.Count(t, "/") > 1 {
				return ""
			}
		}
	}
	return p.Type
}

// PartEnd implements message.Visitor.
func (v *partVisitor) PartEnd(*message.PartInfo) {
	n := len(v.path) - 1
	v.b.parts[v.path[n]].end = len(v.b.parts)
	v.path = v.path[:n]
}

// Defect implements message.Visitor.
func (v *partVisitor) Defect(message.Defect) {}

// Around implements message.AroundVisitor.
func (v *partVisitor) Around(_ *message.PartInfo, after bool) io.Writer {
	return &partWriter{v: v, i: v.path[len(v.path)-1], after: after}
}

// partWriter keeps content up to the bound of all parts.
type partWriter struct {
	v     *partVisitor
	i     int
	after bool
}

// Write implements io.Writer.
func (w *partWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.v.left)
	w.v.left -= n
	part := &w.v.b.parts[w.i]
	if w.after {
		part.after.Write(p[:n])
	} else {
		part.data.Write(p[:n])
	}
	return len(p), nil
}
