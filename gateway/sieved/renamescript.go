package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// renamescript is RENAMESCRIPT (RFC 5804 section 2.11).
func (c *conn) renamescript(ctx *deadline.Context, args []word) error {
	return c.user.RenameScript(ctx, string(args[0].data), string(args[1].data))
}
