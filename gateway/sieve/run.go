package sieve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// command is a compiled command, test a compiled test.
type (
	command interface{ exec(r *run) error }
	test    interface {
		eval(r *run) (bool, error)
	}
)

// The ways in which a script ends before its last command.
var (
	errStop   = errors.New("stop")
	errReturn = errors.New("return")
)

// run is one run of a script.
type run struct {
	ctx   context.Context
	env   *Env
	opt   *Options
	suite *suite // of the test dialect, nil otherwise

	steps    int // left
	check    int // steps left until ctx is looked at
	frame    *frame
	globals  map[string]string
	used     int // octets of variables
	capture  bool
	patterns map[string]*pattern

	depth    int // of includes
	includes int
	once     map[string]bool // scripts included

	header     header
	body       *bodyText
	loops      []int // parts that foreverypart is at
	pending    []pending
	keep       bool // the implicit keep is in effect
	flags      []string
	counts     struct{ redirects, notifications int }
	remember   []Remember
	recipients map[string]bool // of the message, for vacation
	notified   []string        // recipients of notifications
	trace      []Step
	warnings   []*Error
}

// frame is what each script has of its own: an included one begins anew.
type frame struct {
	script string
	vars   map[string]string
	global map[string]bool // names that are global here
	match  []string
}

// step is the number of octets that cost one step.
const step = 64

// ctxSteps is how often ctx is looked at.
const ctxSteps = 1024

// spend takes the cost of looking at n octets.
func (r *run) spend(n int) error {
	n = 1 + n/step
	r.steps -= n
	if r.steps < 0 {
		return fmt.Errorf("the script takes more than %d steps: %w", r.opt.Steps, ErrLimit)
	}
	if r.check -= n; r.check < 0 {
		r.check = ctxSteps
		if err := context.Cause(r.ctx); err != nil {
			return fmt.Errorf("the script takes too long: %w", err)
		}
	}
	return nil
}

// fail returns an error at a place.
func (r *run) fail(p Pos, err error, format string, v ...any) error {
	return &Error{Pos: p, Script: r.frame.script, Message: fmt.Sprintf(format, v...), Err: err}
}

// limit returns the error of a bound that was reached.
func (r *run) limit(p Pos, format string, v ...any) error {
	return r.fail(p, ErrLimit, format, v...)
}

// at gives an error a place where it has none.
func (r *run) at(p Pos, err error) error {
	var e *Error
	if err == nil || err == errStop || err == errReturn || errors.As(err, &e) {
		return err
	}
	return &Error{Pos: p, Script: r.frame.script, Message: plain(err), Err: err}
}

// plain returns the text of an error without the words of the package.
func plain(err error) string {
	s := strings.TrimSuffix(err.Error(), ": "+ErrLimit.Error())
	return strings.TrimSuffix(s, ": "+ErrConflict.Error())
}

func (r *run) warn(p Pos, format string, v ...any) {
	if len(r.warnings) < MaxErrors {
		r.warnings = append(r.warnings, &Error{Pos: p, Script: r.frame.script, Message: fmt.Sprintf(format, v...)})
	}
}

// maxTrace bounds the steps that are told.
const maxTrace = 10_000

func (r *run) note(p Pos, format string, v ...any) {
	if r.env.Trace && len(r.trace) < maxTrace {
		text := fmt.Sprintf(format, v...)
		if len(text) > 500 {
			text = strings.ToValidUTF8(text[:500], "") + "..."
		}
		r.trace = append(r.trace, Step{Pos: p, Script: r.frame.script, Text: text})
	}
}

// block runs commands in order.
func (r *run) block(commands []command) error {
	for _, c := range commands {
		if err := r.spend(0); err != nil {
			return err
		}
		if err := c.exec(r); err != nil {
			return err
		}
	}
	return nil
}

// traced tells what a test came out as.
type traced struct {
	Pos
	name string
	test test
}

func (t *traced) eval(r *run) (bool, error) {
	if err := r.spend(0); err != nil {
		return false, r.at(t.Pos, err)
	}
	ok, err := t.test.eval(r)
	if err != nil {
		return false, r.at(t.Pos, err)
	}
	if r.env.Trace {
		r.note(t.Pos, "%s is %t", t.name, ok)
	}
	return ok, nil
}

// failCommand is what ihave said is not there.
type failCommand struct{ err *Error }

func (f *failCommand) exec(r *run) error {
	e := *f.err
	e.Script = r.frame.script
	return &e
}

// get returns a variable; one that was not set is empty.
func (r *run) get(name string) string {
	if r.frame.global[name] {
		return r.globals[name]
	}
	return r.frame.vars[name]
}

// maxVariables is how many variables a script may have, and how many global
// ones there may be.
const maxVariables = 255

// set gives a variable its value, cut to what one may be.
func (r *run) set(p Pos, name, value string) error {
	value = cut(value, r.opt.VariableSize)
	vars := r.frame.vars
	if space, rest, ok := strings.Cut(name, "."); ok && space == "global" {
		vars, name = r.globals, rest
	} else if r.frame.global[name] {
		vars = r.globals
	}
	old, ok := vars[name]
	if !ok && len(vars) >= maxVariables {
		return r.limit(p, "more than %d variables", maxVariables)
	}
	if r.used += len(value) - len(old); r.used > r.opt.Variables {
		return r.limit(p, "variables are longer than %d octets together", r.opt.Variables)
	}
	vars[name] = value
	return nil
}

// cut returns the first n octets of s, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// setMatch sets the match variables (RFC 5229 section 3.2).
func (r *run) setMatch(values []string) {
	if len(values) > maxMatch+1 {
		values = values[:maxMatch+1]
	}
	for i, v := range values {
		values[i] = cut(v, r.opt.VariableSize)
	}
	r.frame.match = values
}
