package sieve

import (
	"errors"
	"fmt"
	"strings"
)

// Pos is a place in a script.
type Pos struct {
	Line   int // from 1
	Column int // in octets, from 1
}

// Error is one thing that is wrong with a script, or went wrong while it ran.
type Error struct {
	Pos
	Script  string // name of the included script that it is in, "" : the script itself
	Message string
	Hint    string // what to do about it, may be ""
	Err     error  // the cause, may be nil
}

// Error returns "line:column: message (hint)".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Script != "" {
		b.WriteString(e.Script + ":")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", e.Line, e.Column)
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// MaxErrors is how many errors of one script are told.
const MaxErrors = 30

// Errors is everything that is wrong with a script, in order of appearance.
type Errors []*Error

// Error returns one error a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// The reasons for which a run ends before the script does, beside those of
// ctx and of the environment. They are wrapped in an *Error.
var (
	// ErrLimit tells that the script is above a bound of Options.
	ErrLimit = errors.New("sieve: limit reached")
	// ErrConflict tells that two actions exclude each other (RFC 5429 section
	// 2.4).
	ErrConflict = errors.New("sieve: actions in conflict")
	// ErrNoScript is what a Scripts returns for a script that does not exist.
	ErrNoScript = errors.New("sieve: no such script")
)
