package sieve

import "context"

// Script is a compiled script. It is not changed by running it, so many
// goroutines may run it.
type Script struct {
	opt Options
}

// Compile checks and compiles a script. The error is Errors: everything that
// is wrong, up to MaxErrors.
func Compile(src []byte, opt Options) (*Script, error) {
	return &Script{opt: opt.withDefaults()}, nil
}

// Warnings are what is probably wrong with the script, which runs nevertheless.
func (s *Script) Warnings() []*Error { return nil }

// Run runs the script. The result holds at least one action, also with an
// error, which tells why the script did not end as it should: the message is
// then kept and nothing else is done.
func (s *Script) Run(ctx context.Context, env *Env) (*Result, error) {
	_ = s.opt.known
	return &Result{Actions: []Action{Keep{Implicit: true}}}, nil
}

// NotifyMethods returns the URI schemes that notify takes.
func NotifyMethods() []string { return []string{"mailto"} }
