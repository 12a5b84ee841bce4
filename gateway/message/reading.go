package message

import (
	"bytes"
	"io"
)

// others are the readings besides the plain one, in the order in which they
// are walked.
var others = [...]ReadingName{Last, Loose, Strict}

// Readings returns the other readings in which the message may show something
// else, as the plain walk found; mostly none.
func (w *Walker) Readings() []ReadingName {
	var list []ReadingName
	for _, r := range others {
		if w.needed[r] {
			list = append(list, r)
		}
	}
	return list
}

// Ambiguous tells whether a reading walked since showed a part that the plain
// one hides: a file or markup with other bytes, another type or a file name
// with another ending. That the source is shown as plain text hides nothing.
func (w *Walker) Ambiguous() bool { return len(w.hidden) > 0 }

// Limited tells whether a bound kept the walk from seeing everything.
func (w *Walker) Limited() bool { return w.limited }

func (w *Walker) need(r ReadingName) {
	if w.reading == Plain {
		w.needed[r] = true
	}
}

// defect tells one. The first of each kind is always told: a hundred small ones
// must not hide that a part is missing.
func (w *Walker) defect(name DefectName, path, detail string) {
	again := w.told[name]
	if again {
		w.defects++
	} else {
		if w.told == nil {
			w.told = map[DefectName]bool{}
		}
		w.told[name] = true
	}
	if !again || w.defects <= MaxDefects-maxDefectKinds {
		w.v.Defect(Defect{Name: name, Path: path, Detail: printed(detail)})
	}
}

// headerDefects tells those of a header block, and what they make readers do.
func (w *Walker) headerDefects(h *Header, path string) {
	for _, d := range h.defects {
		switch d.Name {
		case DefectNoField:
			if !mboxLine([]byte(d.Detail)) {
				w.need(Strict)
			}
		case DefectBareCR, DefectBlankFold:
			w.need(Loose)
		}
		d.Path = path
		w.defect(d.Name, path, d.Detail)
	}
}

// mboxLine tells whether a line is the "From " or ">From " that mailbox files
// leave in headers, which every reader knows.
func mboxLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// meta reads the Content- fields, and finds out whether other readings take
// them differently.
func (w *Walker) meta(e entity) meta {
	m := readMeta(e.header, w.reading, e.def)
	if w.reading == Plain && m.odd {
		for _, r := range others {
			if o := readMeta(e.header, r, e.def); !m.same(&o) {
				w.need(r)
				w.defect(DefectDuplicate, e.number, string(r))
			}
		}
	}
	if m.over {
		w.limited = true
		w.defect(DefectHeaderLimit, e.number, "")
	}
	if !m.hasType && e.header.Count("Content-Type") > 0 {
		w.defect(DefectBadType, e.number, "")
	}
	if m.kind == identity && !plainEncoding(m.encoding) {
		w.defect(DefectBadEncoding, e.number, m.encoding)
	}
	if m.multipart() && m.boundary == "" {
		w.defect(DefectNoBoundary, e.number, "")
		w.need(Loose)
	}
	return m
}

// sourceDefects tells what lines were almost delimiters.
func (w *Walker) sourceDefects(s *source, path string) {
	for _, d := range []struct {
		seen *bool
		name DefectName
	}{{&s.longer, DefectBoundaryPrefix}, {&s.reopened, DefectAfterClose}, {&s.afterCR, DefectBoundaryCR}} {
		if *d.seen {
			w.defect(d.name, path, "")
			w.need(Loose)
			*d.seen = false
		}
	}
}

// decodeDefects tells what the decoder met in a part.
func (w *Walker) decodeDefects(p *PartInfo) {
	d := &w.dec
	// Of text, a reader that stops early shows the beginning: nothing is
	// hidden. Lists put footers behind encoded text.
	if d.garbage {
		w.defect(DefectBase64Garbage, p.Path, "")
		if !textual(p) {
			w.need(Strict)
		}
	}
	if d.url {
		w.need(Loose)
	}
	if d.after {
		w.defect(DefectBase64After, p.Path, "")
		if !textual(p) {
			w.need(Strict)
		}
	}
	if d.badQP {
		w.defect(DefectBadQP, p.Path, "")
		if !textual(p) {
			w.need(Loose)
		}
	}
}

// textual tells whether a part is text that is shown, not a file.
func textual(p *PartInfo) bool {
	return (p.Type == "text/plain" || p.Type == "text/html") && p.Filename == ""
}

// partKey is what makes two parts the same.
type partKey struct {
	sum       uint64
	size      int64
	mediaType string
	ext       string
}

const maxHidden = 8 // parts that Hidden returns

// compare finds out whether a part was seen before.
func (w *Walker) compare(p *PartInfo, m *meta) {
	k := partKey{p.sum, p.Size, p.Type, extension(p.Filename)}
	p.Known = w.seen[k] && w.reading != Plain
	w.seen[k] = true
	if w.reading == Plain || p.Known || p.Size == 0 || len(w.hidden) == maxHidden {
		return
	}
	if p.Type == "text/plain" && m.kind == identity && k.ext == "" {
		return
	}
	w.hidden = append(w.hidden, *p)
}

// reread returns the header as the reading takes it, and what then belongs to
// the body.
func (h *Header) reread(r ReadingName) (*Header, []byte) {
	if len(h.defects) == 0 {
		return h, nil
	}
	raw, rest := h.raw, []byte(nil)
	switch r {
	case Strict:
		pos := 0
		for _, f := range h.fields {
			if f.Name == "" && pos > 0 && !mboxLine(f.Raw) {
				raw, rest = h.raw[:pos], append(bytes.Clone(h.raw[pos:]), "\r\n"...)
				break
			}
			pos += len(f.Raw)
		}
	case Loose:
		raw = fixCR(raw)
		if pos, end := blankLine(raw); end > 0 {
			raw, rest = raw[:pos], append(bytes.Clone(raw[end:]), "\r\n"...)
		}
	}
	if len(raw) == len(h.raw) {
		return h, nil
	}
	again, _ := ParseHeader(raw, HeaderLimits{Bytes: 2 * len(raw), Field: 2 * len(raw), Fields: len(raw)})
	return again, rest
}

// blankLine finds the first line of white space alone.
func blankLine(raw []byte) (start, end int) {
	for pos := 0; pos < len(raw); {
		n := bytes.IndexByte(raw[pos:], '\n') + 1
		if n == 0 {
			n = len(raw) - pos
		}
		if len(bytes.Trim(raw[pos:pos+n], " \t\r\n")) == 0 {
			return pos, pos + n
		}
		pos += n
	}
	return 0, 0
}

// fixCR makes every CR without LF a line end.
func fixCR(raw []byte) []byte {
	out, _ := io.ReadAll(&crReader{r: bytes.NewReader(raw)})
	return out
}

// crReader makes every CR without LF a line end.
type crReader struct {
	r    io.Reader
	cr   bool // the last octet read was CR
	buf  [4096]byte
	w    []byte
	room [2 * 4096]byte
	err  error
}

// Read implements io.Reader.
func (c *crReader) Read(p []byte) (int, error) {
	for len(c.w) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		var n int
		n, c.err = c.r.Read(c.buf[:])
		out := c.room[:0]
		for _, b := range c.buf[:n] {
			if c.cr && b != '\n' {
				out = append(out, '\n')
			}
			out = append(out, b)
			c.cr = b == '\r'
		}
		if c.err == io.EOF && c.cr {
			out = append(out, '\n')
			c.cr = false
		}
		c.w = out
	}
	n := copy(p, c.w)
	c.w = c.w[n:]
	return n, nil
}

// guessBoundary returns what a first line of the content that begins with --
// says after it, without taking it.
func guessBoundary(s *source) []byte {
	for len(s.buf[s.start:s.end]) < maxBoundaryLine && s.fill() {
	}
	w := s.buf[s.start:s.end]
	w = w[:min(len(w), maxBoundaryLine)]
	for len(w) > 0 {
		line, rest, _ := bytes.Cut(w, []byte("\n"))
		if b, ok := bytes.CutPrefix(bytes.TrimRight(line, " \t\r"), []byte("--")); ok && len(b) > 0 {
			return bytes.Clone(b)
		}
		w = rest
	}
	return nil
}
