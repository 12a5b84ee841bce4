package message

import (
	"bytes"
	"strconv"
)

const maxUUBegin = 512 // octets of a "begin" line, and of the line after it

// uuText finds the files that are uuencoded within text while it passes by,
// and shows them as Outlook and others do: the text before, the file, the
// text after it, each a part of its own.
type uuText struct {
	w    *Walker
	of   *PartInfo // the text
	m    *meta
	n    int    // files so far
	bol  bool   // what comes next begins a line
	in   bool   // line is being collected
	held []byte // a "begin" line that was taken
	line []byte // the line that is being collected
	name string // of the "begin" line in held
	text *sink  // nil: none is open
	file *sink
	dec  decoder
}

var (
	uuMark = []byte("\nbegin ")
	uuEnd  = []byte("\nend")
)

// write looks at a piece of text.
func (u *uuText) write(b []byte) {
	for len(b) > 0 {
		switch {
		case u.file != nil:
			b = u.decode(b)
		case u.in:
			b = u.collect(b)
		default:
			b = u.find(b)
		}
	}
}

// pass hands text over as it is.
func (u *uuText) pass(b []byte) {
	if len(b) == 0 {
		return
	}
	if u.text == nil {
		p := *u.of
		p.Path, p.Size = p.Path+".t"+strconv.Itoa(u.n), 0
		u.text = u.w.begin(&p, u.m)
	}
	u.text.put(b)
}

// give hands over what was held back and is text after all.
func (u *uuText) give() {
	u.pass(u.held)
	u.pass(u.line)
	u.held, u.line, u.name = u.held[:0], u.line[:0], ""
}

// find passes over text up to what may be a "begin" line.
func (u *uuText) find(b []byte) []byte {
	if u.bol && bytes.HasPrefix(b, uuMark[1:min(len(uuMark), len(b)+1)]) {
		u.in = true
		return b
	}
	if i := bytes.Index(b, uuMark); i >= 0 {
		u.in = true
		u.pass(b[:i+1])
		return b[i+1:]
	}
	i := bytes.LastIndexByte(b, '\n') + 1
	last := b[i:]
	u.bol = i > 0 && len(last) == 0
	if i > 0 && len(last) > 0 && len(last) < len(uuMark) && bytes.HasPrefix(uuMark[1:], last) {
		u.in, u.line = true, append(u.line[:0], last...)
		b = b[:i]
	}
	u.pass(b)
	return nil
}

// collect completes a line and looks at it: after a "begin" line an encoded
// one begins a file.
func (u *uuText) collect(b []byte) []byte {
	n := bytes.IndexByte(b, '\n') + 1
	end := n
	if n == 0 {
		end = len(b)
	}
	if len(u.line)+end > maxUUBegin {
		u.in, u.bol = false, false
		u.give()
		return u.rest(b)
	}
	u.line = append(u.line, b[:end]...)
	if n == 0 {
		k := min(len(u.line), len(uuMark)-1)
		if u.bol = false; u.name == "" && !bytes.HasPrefix(uuMark[1:], u.line[:k]) {
			u.in = false
			u.give()
		}
		return nil
	}
	u.bol = true
	line := bytes.TrimRight(u.line, "\r\n")
	if u.name != "" && uuLine(line) && u.begin() {
		u.file.put(u.dec.decode(u.line))
		u.in, u.line = false, u.line[:0]
		return b[n:]
	}
	u.pass(u.held)
	u.held = u.held[:0]
	if u.name = uuBegin(line); u.name == "" {
		u.in = false
		u.give()
	} else {
		u.held, u.line = append(u.held, u.line...), u.line[:0]
	}
	return b[n:]
}

// rest passes the rest of an over-long line.
func (u *uuText) rest(b []byte) []byte {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		n = len(b)
	}
	u.pass(b[:n])
	return b[n:]
}

// uuLine tells whether a line has the length that its first octet says.
func uuLine(line []byte) bool {
	if len(line) < 2 || line[0] <= ' ' || line[0] > 'M' {
		return false
	}
	want := (int(line[0]-' ') + 2) / 3 * 4
	return len(line)-1 >= want-3 && len(line)-1 <= want+2
}

// begin ends the text and begins a file; false when there may be no more
// parts.
func (u *uuText) begin() bool {
	if u.w.parts++; u.w.parts > u.w.limits.Parts {
		u.w.limited = true
		u.w.defect(DefectPartLimit, u.of.Path, "")
		return false
	}
	if u.text != nil {
		u.text.end()
		u.text = nil
	}
	u.n++
	u.w.defect(DefectUuencodedInText, u.of.Path, u.name)
	u.file = u.w.begin(&PartInfo{
		Path: u.of.Path + ".uu" + strconv.Itoa(u.n), Reading: u.of.Reading, Type: "application/octet-stream",
		Disposition: "attachment", Filename: DecodeText(u.name), Encoding: "x-uuencode", Header: u.of.Header,
	}, &meta{kind: uuencode})
	u.dec.reset(uuencode, u.of.Reading)
	u.dec.begun = true
	u.held, u.name = u.held[:0], ""
	return true
}

// decode passes text on to the file, up to its end.
func (u *uuText) decode(b []byte) []byte {
	i := len(b)
	if len(u.dec.carry) > 0 || bytes.HasPrefix(b, uuEnd[1:]) {
		if n := bytes.IndexByte(b, '\n'); n >= 0 {
			i = n + 1
		}
	} else if n := bytes.Index(b, uuEnd); n >= 0 {
		i = n + 1 // what may end it is looked at alone
	}
	u.file.put(u.dec.decode(b[:i]))
	if u.dec.done {
		u.file.end()
		u.file = nil
		u.bol = true
	}
	return b[i:]
}

// end ends what is open.
func (u *uuText) end() {
	if u.file != nil {
		u.file.put(u.dec.finish())
		u.file.end()
		return
	}
	u.give()
	if u.text != nil {
		u.text.end()
	}
}
