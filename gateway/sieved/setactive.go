package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// setactive is SETACTIVE (RFC 5804 section 2.8); an empty name: no script is
// active any more.
func (c *conn) setactive(ctx *deadline.Context, args []word) error {
	return c.user.ActivateScript(ctx, string(args[0].data))
}
