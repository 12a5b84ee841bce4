// Package sieve compiles and runs Sieve scripts (RFC 5228 and extensions). It
// is pure: a compiled script, a message and its environment go in, a list of
// actions comes out, and nothing is stored or sent. Whoever runs a script
// carries the actions out:
//
//	script, err := sieve.Compile(src, opt)       // err is Errors: all of them, with line, column and hint
//	result, err := script.Run(ctx, &sieve.Env{Message: m, Envelope: e, Mailboxes: box, Now: time.Now()})
//	for _, a := range result.Actions { ... }     // also when err is not nil: the mail is then kept
//
// Everything is bounded: the script's size and nesting, what a run costs
// (steps that grow with the octets looked at, time by ctx), the memory of
// variables, patterns, depth and number of included scripts, the number of
// actions and redirects. Nothing that a script or a message does makes mail
// disappear: a script that fails, for whatever reason, keeps it.
package sieve
