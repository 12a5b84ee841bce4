package sieve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Script is a compiled script. It is not changed by running it, so many
// goroutines may run it.
type Script struct {
	opt      Options
	commands []command
	warnings []*Error
	capture  bool // match variables are wanted
}

// Compile checks and compiles a script. The error is Errors: everything that
// is wrong, up to MaxErrors.
func Compile(src []byte, opt Options) (*Script, error) {
	s, errs := compile(language, src, opt.withDefaults(), false)
	if len(errs) > 0 {
		return nil, errs
	}
	return s, nil
}

// compile compiles a script of the test dialect with suite.
func compile(lang specIndex, src []byte, opt Options, suite bool) (*Script, Errors) {
	s := &Script{opt: opt}
	c := &compiler{lang: lang, opt: &s.opt, required: map[string]bool{}, told: map[string]bool{}, suite: suite}
	if len(src) > opt.ScriptSize {
		c.errorf(Pos{1, 1}, "the script is longer than %d octets", opt.ScriptSize)
		return nil, c.errs
	}
	p := &parser{fail: c.add}
	p.lex = lexer{src: src, line: 1, fail: c.add}
	if len(src) >= 3 && string(src[:3]) == "\xef\xbb\xbf" { // a byte order mark
		p.lex.at, p.lex.bol = 3, 3
	}
	nodes := p.script()
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	for _, b := range builtins {
		c.required[b] = true
	}
	s.commands = c.block(nodes)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	s.warnings = c.warnings
	s.capture = c.required["variables"]
	return s, nil
}

// Warnings are what is probably wrong with the script, which runs nevertheless.
func (s *Script) Warnings() []*Error { return s.warnings }

// Run runs the script. The result holds at least one action, also with an
// error, which tells why the script did not end as it should: the message is
// then kept and nothing else is done.
func (s *Script) Run(ctx context.Context, env *Env) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.Time)
	defer cancel()
	r := newRun(ctx, env, &s.opt)
	return r.finish(r.do(s))
}

// newRun prepares a run.
func newRun(ctx context.Context, env *Env, opt *Options) *run {
	if env.Message.Header == nil {
		e := *env
		e.Message.Header, _ = message.ParseHeader(nil, message.HeaderLimits{})
		env = &e
	}
	if env.Now.IsZero() {
		e := *env
		e.Now = time.Now()
		env = &e
	}
	r := &run{ctx: ctx, env: env, opt: opt, steps: opt.Steps, keep: true, frame: newFrame(""), globals: map[string]string{}}
	r.header.now = env.Message.Header
	return r
}

// do runs the commands.
func (r *run) do(s *Script) (err error) {
	r.capture = s.capture
	err = r.block(s.commands)
	if err == errStop || err == errReturn {
		return nil
	}
	return r.at(Pos{}, err)
}

// finish makes the result of what was asked for.
func (r *run) finish(err error) (*Result, error) {
	res := &Result{Trace: r.trace, Warnings: r.warnings}
	if err != nil {
		r.note(Pos{}, "kept: %v", err)
		res.Trace = r.trace
		res.Actions = []Action{Keep{Implicit: true}}
		var e *Error
		if !errors.As(err, &e) {
			err = fmt.Errorf("sieve: %w", err)
		}
		return res, err
	}
	res.Remember = r.remember
	res.Actions = r.actions()
	return res, nil
}

// actions lists what is to be done; the implicit keep comes last (RFC 5228
// section 2.10.2).
func (r *run) actions() []Action {
	out := make([]Action, 0, len(r.pending)+1)
	for _, p := range r.pending {
		if p.withheld == "" {
			out = append(out, p.action)
		}
	}
	if r.keep && !r.keptAlready() {
		flags, _ := r.actionFlags(nil, false)
		out = append(out, Keep{Implicit: true, Flags: flags, Header: r.header.edited})
	}
	if len(out) == 0 {
		out = append(out, Discard{})
	}
	return out
}

func (r *run) keptAlready() bool {
	for _, p := range r.pending {
		if mailboxOf(p.action) == Inbox {
			return true
		}
	}
	return false
}
