package message

import (
	"bytes"
	"hash/maphash"
	"io"
	"strconv"
)

const maxUUBegin = 512 // octets of a "begin" line and the line after it

// uuText finds the files that are uuencoded within text, as Outlook and others
// show them, while the text passes by. They are parts of their own, after
// which the text goes on.
type uuText struct {
	w     *Walker
	of    *PartInfo // the text
	n     int       // files so far
	bol   bool      // what comes next begins a line
	in    bool      // line is being collected
	line  []byte
	name  string // of the "begin" line before
	file  *PartInfo
	out   io.Writer
	dec   decoder
	hash  maphash.Hash
	spent bool // no more parts are allowed
}

var uuMark = []byte("\nbegin ")

// write looks at a piece of text.
func (u *uuText) write(b []byte) {
	for len(b) > 0 && !u.spent {
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

// find passes over text up to what may be a "begin" line.
func (u *uuText) find(b []byte) []byte {
	if u.bol && bytes.HasPrefix(b, uuMark[1:min(len(uuMark), len(b)+1)]) {
		u.in = true
		return b
	}
	if i := bytes.Index(b, uuMark); i >= 0 {
		u.in = true
		return b[i+1:]
	}
	i := bytes.LastIndexByte(b, '\n') + 1
	last := b[i:]
	u.bol = i > 0 && len(last) == 0
	if i > 0 && len(last) > 0 && len(last) < len(uuMark) && bytes.HasPrefix(uuMark[1:], last) {
		u.in, u.line = true, append(u.line[:0], last...)
	}
	return nil
}

// collect completes a line and looks at it: after a "begin" line an encoded
// one begins a file.
func (u *uuText) collect(b []byte) []byte {
	n := bytes.IndexByte(b, '\n')
	end := n
	if n < 0 {
		end = len(b)
	}
	if len(u.line)+end > maxUUBegin {
		u.in, u.bol, u.name, u.line = false, false, "", u.line[:0]
		return b[end:]
	}
	u.line = append(u.line, b[:end]...)
	if n < 0 {
		k := min(len(u.line), len(uuMark)-1)
		u.in = u.name != "" || bytes.HasPrefix(uuMark[1:], u.line[:k])
		if u.bol = false; !u.in {
			u.line = u.line[:0]
		}
		return nil
	}
	line := bytes.TrimRight(u.line, "\r")
	if u.name != "" && uuLine(line) {
		u.begin(u.name)
		if u.file != nil {
			u.put(u.dec.decode(append(line, '\n')))
		}
		u.name = ""
	} else {
		u.name = uuBegin(line)
	}
	u.in, u.bol, u.line = u.name != "", true, u.line[:0]
	return b[n+1:]
}

// uuLine tells whether a line has the length that its first octet says.
func uuLine(line []byte) bool {
	if len(line) < 2 || line[0] <= ' ' || line[0] > 'M' {
		return false
	}
	want := (int(line[0]-' ') + 2) / 3 * 4
	return len(line)-1 >= want-3 && len(line)-1 <= want+2
}

// begin begins the part of a file.
func (u *uuText) begin(name string) {
	if u.w.parts++; u.w.parts > u.w.limits.Parts {
		u.w.limited, u.spent = true, true
		return
	}
	u.n++
	u.w.defect(DefectUuencodedInText, u.of.Path, name)
	u.file = &PartInfo{
		Path: u.of.Path + ".uu" + strconv.Itoa(u.n), Reading: u.of.Reading, Type: "application/octet-stream",
		Disposition: "attachment", Filename: DecodeText(name), Encoding: "x-uuencode", Header: u.of.Header,
	}
	u.out = u.w.v.Part(u.file)
	u.dec.reset(uuencode, u.of.Reading)
	u.dec.begun = true
	u.hash.SetSeed(u.w.seed)
	u.hash.Reset()
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
	u.put(u.dec.decode(b[:i]))
	if u.dec.done {
		u.end()
		u.bol = true
	}
	return b[i:]
}

var uuEnd = []byte("\nend")

func (u *uuText) put(b []byte) {
	if len(b) == 0 {
		return
	}
	u.file.Size += int64(len(b))
	u.hash.Write(b)
	u.w.write(u.out, b)
}

// end ends a file that is open.
func (u *uuText) end() {
	if u.file == nil {
		return
	}
	u.put(u.dec.finish())
	u.file.sum = u.hash.Sum64()
	u.w.compare(u.file, &meta{kind: uuencode})
	u.w.v.PartEnd(u.file)
	u.file = nil
}
