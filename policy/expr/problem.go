package expr

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one mistake in a file.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1; 0: the file as a whole
	Col  int    `json:"col"`  // from 1, in characters
	Msg  string `json:"message"`
	Hint string `json:"hint,omitempty"` // "" : none
}

// Error returns the problem on one line: file:line:col: message (hint).
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col))
	}
	b.WriteString(": " + p.Msg)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return oneLine(b.String())
}

// oneLine keeps what stands in the file from breaking the line that tells of
// it.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, s)
}

// Errors are all the mistakes that were found, in the order of the files, at
// most MaxProblems.
type Errors []Problem

// MaxProblems bounds how many mistakes are told at once.
const MaxProblems = 100

// Error returns the problems, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Sorted orders the problems by file, as listed in files, line and column, and
// drops repetitions.
func (e Errors) Sorted(files []string) Errors {
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	e = slices.Compact(e)
	return e[:min(len(e), MaxProblems)]
}
