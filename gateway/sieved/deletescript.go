package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// deletescript is DELETESCRIPT (RFC 5804 section 2.10).
func (c *conn) deletescript(ctx *deadline.Context, args []word) error {
	return c.user.DeleteScript(ctx, string(args[0].data))
}
