package sieved

import (
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// havespace is HAVESPACE (RFC 5804 section 2.5).
func (c *conn) havespace(ctx *deadline.Context, args []word) error {
	size, _ := parseNumber(args[1].data)
	if size > int64(c.set.Limits.Script) {
		return mailbox.ErrTooBig
	}
	return c.user.RoomForScript(ctx, string(args[0].data), size)
}
