package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// collected is what a report may be read from: its parts, bounded.
type collected struct {
	header   *message.Header
	notes    string // text for people, all parts
	status   []byte // message/delivery-status
	feedback []byte // message/feedback-report
	original *message.Header
	raw      []byte // the body as it came
	lines    []string
	noted    []noted
	stage    stage // of the whole text

	buf    bytes.Buffer // of the part being read
	text   strings.Builder
	inside string // path of the message that comes back, while its parts go by
}

// collect walks over the message.
func collect(header *message.Header, body io.Reader) (*collected, error) {
	c := &collected{header: header}
	raw := &boundedBuffer{max: maxNotes}
	w := message.NewWalker(header, message.WalkLimits{Depth: 8, Parts: 100})
	if err := w.Walk(io.TeeReader(io.LimitReader(body, MaxReport), raw), c); err != nil {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	c.raw, c.notes = raw.Bytes(), c.text.String()
	return c, nil
}

// Part implements message.Visitor.
func (c *collected) Part(p *message.PartInfo) io.Writer {
	if c.inside != "" {
		if c.original == nil {
			c.original = p.Header
		}
		return nil
	}
	if p.Container {
		if strings.HasPrefix(p.Type, "message/") {
			c.inside = p.Path
		}
		return nil
	}
	switch {
	case strings.HasPrefix(p.Type, "text/"), strings.HasPrefix(p.Type, "message/"):
		c.buf.Reset()
		return &boundedBuffer{Buffer: &c.buf, max: maxPart}
	}
	return nil
}

// PartEnd implements message.Visitor.
func (c *collected) PartEnd(p *message.PartInfo) {
	switch {
	case p.Container:
		if p.Path == c.inside {
			c.inside = ""
		}
		return
	case c.inside != "":
		return
	}
	b := bytes.Clone(c.buf.Bytes())
	c.buf.Reset()
	switch p.Type {
	case "message/delivery-status", "message/global-delivery-status":
		c.status = append(append(c.status, "\r\n"...), b...)
	case "message/feedback-report":
		c.feedback = b
	case "text/rfc822-headers", "text/rfc822-header", "message/global-headers", "message/rfc822-headers", "message/rfc822", "message/global":
		c.setOriginal(b)
	case "text/html", "text/x-amp-html":
		if c.text.Len() == 0 {
			c.note(htmlText(b))
		}
	default:
		if strings.HasPrefix(p.Type, "text/") && c.looksLikeHeader(b) {
			c.setOriginal(b)
			return
		}
		c.note(string(b))
	}
}

// Defect implements message.Visitor.
func (c *collected) Defect(message.Defect) {}

// note adds text for people.
func (c *collected) note(s string) {
	if c.text.Len()+len(s) <= maxNotes {
		c.text.WriteString(s)
		c.text.WriteString("\n")
	}
}

// looksLikeHeader tells whether a text part after the first is the header
// block of a message.
func (c *collected) looksLikeHeader(b []byte) bool {
	if c.text.Len() == 0 || c.original != nil {
		return false
	}
	h, err := message.ParseHeader(b, message.HeaderLimits{})
	return err == nil && h.Count("Received") > 0 && h.Count("Subject")+h.Count("From") > 0 && h.Count("") == 0
}

func (c *collected) setOriginal(b []byte) {
	if c.original != nil {
		return
	}
	if h, err := message.ParseHeader(b, message.HeaderLimits{}); err == nil && len(h.Fields()) > 0 {
		c.original = h
	}
}

// readOriginal tells what is known of the message that came back.
func (c *collected) readOriginal() Original {
	h := c.original
	if h == nil {
		return Original{}
	}
	o := Original{Header: h}
	if v, ok := h.Get("Message-ID"); ok {
		o.MessageID, _ = message.ParseMessageID(v)
	}
	o.From, o.To = firstAddress(h, "From"), firstAddress(h, "To")
	o.Return = firstAddress(h, "Return-Path")
	v, _ := h.Get("Subject")
	o.Subject = shorten(message.CleanValue(message.DecodeText(v)), maxToldSubject)
	return o
}

// firstAddress returns the first address of a field, "" : none.
func firstAddress(h *message.Header, name string) string {
	v, ok := h.Get(name)
	if !ok {
		return ""
	}
	boxes, _ := message.ParseAddressList(v[:min(len(v), maxPart)])
	for _, b := range boxes {
		if b.Address.Domain != "" {
			return b.Address.String()
		}
	}
	return ""
}

// htmlText returns the text of an HTML part, block elements on lines of their
// own.
func htmlText(b []byte) string {
	var s strings.Builder
	z := html.NewTokenizer(bytes.NewReader(b))
	z.SetMaxBuf(maxPart)
	skip := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return s.String()
		case html.TextToken:
			if !skip {
				s.WriteString(strings.Join(strings.Fields(html.UnescapeString(string(z.Raw()))), " "))
				s.WriteByte(' ')
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch string(name) {
			case "br", "p", "div", "tr", "li", "td", "h1", "h2", "h3", "pre":
				s.WriteByte('\n')
			case "style", "script", "head":
				skip = !skip
			}
		}
	}
}

// boundedBuffer keeps the first octets that are written to it.
type boundedBuffer struct {
	*bytes.Buffer
	max int
}

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Buffer == nil {
		b.Buffer = &bytes.Buffer{}
	}
	if room := b.max - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// Bytes returns what was kept.
func (b *boundedBuffer) Bytes() []byte {
	if b.Buffer == nil {
		return nil
	}
	return b.Buffer.Bytes()
}

// parseAddress reads an address of any writing, "" : it is none.
func parseAddress(s string) string {
	s = strings.Trim(s, " \t<>\"'")
	if len(s) > smtp.MaxPath {
		return ""
	}
	a, err := smtp.ParseMailbox(s, smtp.UTF8|smtp.Underscore)
	if err != nil {
		return ""
	}
	return a.String()
}
