package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in the file.
type Error struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1; 0: the file as a whole
	Col  int    `json:"col"`  // from 1
	Msg  string `json:"message"`
	Hint string `json:"hint,omitempty"` // "" : none
}

// Place returns file:line:col; the file alone where nothing in it is meant.
func (e Error) Place() string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Col)
}

// Error returns file:line:col: message (hint).
func (e Error) Error() string {
	s := e.Place() + ": " + e.Msg
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Errors are all mistakes of a file, in order of their places, at most
// MaxErrors.
type Errors []Error

// MaxErrors bounds how many mistakes are told at once.
const MaxErrors = 100

// Error returns one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// byPlace orders mistakes of one file.
func byPlace(a, b Error) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}

// nearest returns the word of words that is most like s, "" when none is near.
func nearest(s string, words []string) string {
	longer := func(w string) bool { return len(s) > 3 && strings.HasPrefix(w, s) }
	if i := slices.IndexFunc(words, longer); i >= 0 {
		return words[i]
	}
	best, least := "", 1+len(s)/3
	for _, w := range words {
		if d := distance(s, w); d <= least && (best == "" || d < distance(s, best)) {
			best = w
		}
	}
	return best
}

// distance is the number of edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last
			if a[i-1] != b[j-1] {
				cost++
			}
			last = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// didYouMean is the hint for an unknown word.
func didYouMean(s string, words []string) string {
	if w := nearest(s, words); w != "" {
		return fmt.Sprintf("did you mean %q?", w)
	}
	if len(words) > 0 && len(words) <= 12 {
		return "known: " + strings.Join(words, ", ")
	}
	return ""
}
