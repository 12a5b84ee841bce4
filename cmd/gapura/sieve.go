package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gapura-mail/gapura/gateway/sieve"
)

// sieveCmd is `gapura sieve`: Sieve scripts, looked at without a mailbox.
type sieveCmd struct {
	Check sieveCheck `cmd:"" help:"Tell everything that is wrong with a script."`
	Test  sieveTest  `cmd:"" help:"Run test scripts in the dialect of Pigeonhole's test suite."`
}

type sieveCheck struct {
	File string `arg:"" placeholder:"FILE" help:"Script to check; - is standard input."`
}

// Help implements kong.HelpProvider.
func (sieveCheck) Help() string {
	return `Prints one problem a line: file, line, column, what it is and what to do about it.
The exit code is 1 when there are errors; warnings alone are none.

Example:
  gapura sieve check --json filter.sieve`
}

// sieveProblem is one thing that is wrong.
type sieveProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// sieveReport is what the command prints.
type sieveReport struct {
	OK       bool           `json:"ok"`
	Errors   []sieveProblem `json:"errors"`
	Warnings []sieveProblem `json:"warnings,omitempty"`
}

func (c *sieveCheck) Run(a *app) error {
	f, err := a.openMessage(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, int64(sieve.DefaultOptions().ScriptSize)+1))
	if err != nil {
		return err
	}
	rep := sieveReport{OK: true, Errors: []sieveProblem{}}
	s, err := sieve.Compile(src, sieve.Options{})
	var errs sieve.Errors
	switch {
	case errors.As(err, &errs):
		rep.OK, rep.Errors = false, problems(errs)
	case err != nil:
		return err
	default:
		rep.Warnings = problems(s.Warnings())
	}
	err = a.print(rep, func(w io.Writer) { rep.text(w, c.File) })
	if err == nil && !rep.OK {
		err = errNo
	}
	return err
}

func problems(errs []*sieve.Error) []sieveProblem {
	out := []sieveProblem{}
	for _, e := range errs {
		out = append(out, sieveProblem{e.Line, e.Column, e.Message, e.Hint})
	}
	return out
}

// text prints one problem a line.
func (r *sieveReport) text(w io.Writer, file string) {
	line := func(p sieveProblem, kind string) {
		hint := ""
		if p.Hint != "" {
			hint = " (" + p.Hint + ")"
		}
		fmt.Fprintf(w, "%s:%d:%d: %s%s%s\n", file, p.Line, p.Column, kind, p.Message, hint)
	}
	for _, p := range r.Errors {
		line(p, "")
	}
	for _, p := range r.Warnings {
		line(p, "warning: ")
	}
}

type sieveTest struct {
	Files []string `arg:"" placeholder:"FILE" help:"Test scripts, which end in .svtest."`
}

// Help implements kong.HelpProvider.
func (sieveTest) Help() string {
	return `A test script sets a message and its envelope, acts or runs other scripts, carries
the result out in an imagined mail store and looks at what came of it
(docs/sieve.md). The exit code is 0 when all tests pass.

Example:
  gapura sieve test filter.svtest`
}

// sieveOutcome is how one test came out.
type sieveOutcome struct {
	File   string `json:"file,omitempty"` // where there are several
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason"`
}

// sieveTests is what the command prints.
type sieveTests struct {
	Tests []sieveOutcome `json:"tests"`
}

func (c *sieveTest) Run(a *app) error {
	out := sieveTests{Tests: []sieveOutcome{}}
	ok := true
	for _, file := range c.Files {
		label := ""
		if len(c.Files) > 1 {
			label = file
		}
		tests, err := sieve.RunTests(a.ctx, file, sieve.Options{})
		if err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return err
			}
			tests = []sieve.TestResult{{Name: "(compile)", Reason: err.Error()}}
		}
		for _, t := range tests {
			ok = ok && t.OK
			out.Tests = append(out.Tests, sieveOutcome{label, t.Name, t.OK, t.Reason})
		}
	}
	if err := a.print(out, out.text); err != nil {
		return err
	}
	if !ok {
		return errNo
	}
	return nil
}

// text prints one test a line and their count.
func (t sieveTests) text(w io.Writer) {
	passed := 0
	for _, o := range t.Tests {
		name := o.Name
		if o.File != "" {
			name = o.File + ": " + name
		}
		switch {
		case !o.OK:
			fmt.Fprintf(w, "FAIL  %s: %s\n", name, o.Reason)
			continue
		case o.Reason != "":
			name += " (" + o.Reason + ")"
		}
		passed++
		fmt.Fprintf(w, "ok    %s\n", name)
	}
	fmt.Fprintf(w, "%d of %d tests passed\n", passed, len(t.Tests))
}
