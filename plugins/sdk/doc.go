// Package sdk is what the author of a Gapura plugin imports. A plugin is a
// program of its own that serves one gateway.Filter, or gateway.BodyFilter,
// as if it were built in:
//
//	func main() { sdk.Serve(filter{}) }
//
// The gateway starts it, asks it and restarts it; see plugins/example. The
// names of its facts begin with the name that the configuration gives it. A
// filter that implements gateway.Staged is asked at those stages only; others
// at those at which a field of theirs may be known.
//
// What a plugin writes to standard output, standard error or package log goes
// to the gateway's log. It gets no environment but what `env` configures, and
// must not write to standard output before Serve.
package sdk
