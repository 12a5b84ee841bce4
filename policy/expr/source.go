package expr

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Bounds of files.
const (
	MaxFile      = 128 << 10 // octets of one file
	MaxLine      = 16 << 10  // octets of one line
	MaxNesting   = 200       // brackets and braces open at once
	MaxCondition = 8 << 10   // characters of one condition
)

// Source is the text of one file.
type Source struct {
	Name string // as it appears in messages and traces
	Data []byte
}

// ReadSources reads the files.
func ReadSources(names []string) ([]Source, error) {
	sources := make([]Source, 0, len(names))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, Source{name, data})
	}
	return sources, nil
}

// File is a file being loaded: its text, where its lines begin and the list
// that its problems go to.
type File struct {
	name  string
	kind  string // "policy file"
	data  []byte
	lines []int // offset of each line
	errs  *Errors
}

// NewFile checks the bytes of a file, without looking at YAML yet. The kind of
// file, as "policy file", is for messages; problems are appended to errs.
func NewFile(src Source, kind string, errs *Errors) (*File, bool) {
	f := &File{name: src.Name, kind: kind, errs: errs, lines: []int{0}}
	if len(src.Data) > MaxFile {
		f.Problem(Position{}, "the file has more than "+strconv.Itoa(MaxFile)+" octets",
			"several files can be listed in the configuration")
		return f, false
	}
	f.data = bytes.ReplaceAll(bytes.TrimPrefix(src.Data, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	for i, c := range f.data {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f, f.checkText()
}

// checkText refuses what no editor writes and what the YAML parser would be
// slow on.
func (f *File) checkText() bool {
	depth := 0
	for line, start := range f.lines {
		end := len(f.data)
		if line+1 < len(f.lines) {
			end = f.lines[line+1]
		}
		if end-start > MaxLine {
			f.Problem(Position{line + 1, 1}, "the line has more than "+strconv.Itoa(MaxLine)+" octets", "")
			return false
		}
		for i := start; i < end; {
			r, n := utf8.DecodeRune(f.data[i:end])
			if r == utf8.RuneError && n <= 1 || unicode.IsControl(r) && r != '\n' && r != '\t' {
				f.Problem(f.position(i), fmt.Sprintf("the octet %#02x does not belong in a text", f.data[i]),
					f.kind+"s are UTF-8")
				return false
			}
			depth += nesting(r)
			if depth = max(depth, 0); depth > MaxNesting {
				f.Problem(f.position(i), "brackets are nested too deeply", "")
				return false
			}
			i += n
		}
	}
	return true
}

// nesting tells by how much a character opens or closes.
func nesting(r rune) int {
	switch r {
	case '[', '{':
		return 1
	case ']', '}':
		return -1
	}
	return 0
}

// Position is a place in a file: line and column from 1, in characters.
type Position struct{ Line, Col int }

// Name returns the file's name.
func (f *File) Name() string { return f.name }

// Count returns the number of problems noted so far, of all files.
func (f *File) Count() int { return len(*f.errs) }

// Problem notes a mistake.
func (f *File) Problem(at Position, msg, hint string) {
	*f.errs = append(*f.errs, Problem{File: f.name, Line: at.Line, Col: at.Col, Msg: msg, Hint: hint})
}

// offset returns the octet at which a position is.
func (f *File) offset(p Position) int {
	if p.Line < 1 || p.Line > len(f.lines) {
		return len(f.data)
	}
	i := f.lines[p.Line-1]
	for range p.Col - 1 {
		_, n := utf8.DecodeRune(f.data[i:])
		i += n
	}
	return i
}

// position returns where the octet at offset is.
func (f *File) position(offset int) Position {
	lo, hi := 0, len(f.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; f.lines[mid] <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return Position{lo + 1, utf8.RuneCount(f.data[f.lines[lo]:offset]) + 1}
}

// line returns the text of a line, from 1, without its end.
func (f *File) line(n int) []byte {
	if n < 1 || n > len(f.lines) {
		return nil
	}
	end := len(f.data)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return f.data[f.lines[n-1]:end]
}
