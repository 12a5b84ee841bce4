package policy

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Bounds of policy files.
const (
	MaxFile      = 128 << 10 // octets of one file
	MaxLine      = 16 << 10  // octets of one line
	MaxNesting   = 200       // brackets and braces open at once
	MaxRules     = 2000      // rules of all files together
	MaxCondition = 8 << 10   // characters of one condition
	MaxEdits     = 20        // header fields that one rule adds or removes
)

// Source is one policy file.
type Source struct {
	Name string // as it appears in messages and traces
	Data []byte
}

// readSources reads the files.
func readSources(names []string) ([]Source, error) {
	sources := make([]Source, 0, len(names))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		sources = append(sources, Source{name, data})
	}
	return sources, nil
}

// file is a policy file being loaded: its text, where its lines begin and the
// list that its problems go to.
type file struct {
	name  string
	data  []byte
	lines []int // offset of each line
	errs  *Errors
}

// newFile checks the bytes of a file, without looking at YAML yet.
func newFile(src Source, errs *Errors) (*file, bool) {
	f := &file{name: src.Name, errs: errs, lines: []int{0}}
	if len(src.Data) > MaxFile {
		f.problem(position{}, "the file has more than "+strconv.Itoa(MaxFile)+" octets",
			"several files can be listed under policy:")
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
func (f *file) checkText() bool {
	depth := 0
	for line, start := range f.lines {
		end := len(f.data)
		if line+1 < len(f.lines) {
			end = f.lines[line+1]
		}
		if end-start > MaxLine {
			f.problem(position{line + 1, 1}, "the line has more than "+strconv.Itoa(MaxLine)+" octets", "")
			return false
		}
		for i := start; i < end; {
			r, n := utf8.DecodeRune(f.data[i:end])
			if r == utf8.RuneError && n <= 1 || unicode.IsControl(r) && r != '\n' && r != '\t' {
				f.problem(f.position(i), fmt.Sprintf("the octet %#02x does not belong in a text", f.data[i]),
					"policy files are UTF-8")
				return false
			}
			depth += nesting(r)
			if depth = max(depth, 0); depth > MaxNesting {
				f.problem(f.position(i), "brackets are nested too deeply", "")
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

// position is a place in a file: line and column from 1, in characters.
type position struct{ line, col int }

// problem notes a mistake.
func (f *file) problem(at position, msg, hint string) {
	*f.errs = append(*f.errs, Problem{File: f.name, Line: at.line, Col: at.col, Msg: msg, Hint: hint})
}

// offset returns the octet at which a position is.
func (f *file) offset(p position) int {
	if p.line < 1 || p.line > len(f.lines) {
		return len(f.data)
	}
	i := f.lines[p.line-1]
	for range p.col - 1 {
		_, n := utf8.DecodeRune(f.data[i:])
		i += n
	}
	return i
}

// position returns where the octet at offset is.
func (f *file) position(offset int) position {
	lo, hi := 0, len(f.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; f.lines[mid] <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return position{lo + 1, utf8.RuneCount(f.data[f.lines[lo]:offset]) + 1}
}

// line returns the text of a line, from 1, without its end.
func (f *file) line(n int) []byte {
	if n < 1 || n > len(f.lines) {
		return nil
	}
	end := len(f.data)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return f.data[f.lines[n-1]:end]
}
