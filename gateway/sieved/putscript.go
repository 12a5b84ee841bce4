package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// putscript is PUTSCRIPT (RFC 5804 section 2.6).
func (c *conn) putscript(ctx *deadline.Context, args []word) error {
	name, script := string(args[0].data), args[1].data
	if err := c.user.RoomForScript(ctx, name, int64(len(script))); err != nil {
		return err // before the work of compiling it
	}
	warnings, err := c.check(script)
	if err != nil {
		return err
	}
	if err := c.user.PutScript(ctx, name, script); err != nil {
		return err
	}
	return c.warned(warnings)
}
