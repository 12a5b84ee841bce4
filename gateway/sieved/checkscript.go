package sieved

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/sieve"
)

// checkscript is CHECKSCRIPT (RFC 5804 section 2.12).
func (c *conn) checkscript(_ *deadline.Context, args []word) error {
	warnings, err := c.check(args[0].data)
	if err != nil {
		return err
	}
	return c.warned(warnings)
}

// check compiles a script, and tells the client why it is none.
func (c *conn) check(script []byte) (warnings []*sieve.Error, err error) {
	acceptor.Aside(func() { warnings, err = c.srv.deps.Compile(script, c.set.Sieve) })
	if err != nil {
		c.no("", lines(err.Error()))
		return nil, errSaid
	}
	return warnings, nil
}

// warned answers OK, with warnings perhaps.
func (c *conn) warned(warnings []*sieve.Error) error {
	if len(warnings) == 0 {
		return nil
	}
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = w.Error()
	}
	c.ok("WARNINGS", lines(strings.Join(texts, "\n")))
	return errSaid
}

// lines gives lines the ends that they have on the wire.
func lines(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
