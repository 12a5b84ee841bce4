package pop3d

import (
	"errors"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// dele is DELE (RFC 1939 section 5): the message is removed by QUIT.
func (c *conn) dele(arg []byte) error {
	ctx := c.limited()
	defer ctx.Cancel()
	n, m, err := c.message(ctx, arg)
	if err != nil && !errors.Is(err, mailbox.ErrExpunged) { // that it has gone is what was wanted
		return err
	}
	total, _ := c.drop.Totals()
	c.deleted.set(n, total)
	c.count--
	c.octets -= m.Size
	return c.say(strconv.Itoa(n), " is marked as deleted")
}
