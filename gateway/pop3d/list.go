package pop3d

import (
	"strconv"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// list is LIST (RFC 1939 section 5). Sizes are those of what RETR sends, before
// dots are stuffed.
func (c *conn) list(arg []byte) error {
	ctx := c.limited()
	defer ctx.Cancel()
	if len(arg) > 0 {
		n, m, err := c.message(ctx, arg)
		if err != nil {
			return err
		}
		return c.say(strconv.Itoa(n), " ", strconv.FormatInt(m.Size, 10))
	}
	c.say(c.total())
	var digits [maxDigits]byte
	total, _ := c.drop.Totals()
	err := c.drop.Messages(ctx, 1, total, func(m *mailbox.Message) error {
		if c.deleted.has(int(m.Seq)) {
			return nil
		}
		return c.item(int(m.Seq), strconv.AppendInt(digits[:0], m.Size, 10))
	})
	if err != nil {
		return c.cut(err)
	}
	return c.end()
}
