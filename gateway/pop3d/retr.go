package pop3d

import (
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// retr is RETR (RFC 1939 section 5).
func (c *conn) retr(arg []byte) error {
	ctx := c.limited()
	defer ctx.Cancel()
	n, m, err := c.message(ctx, arg)
	if err != nil {
		return err
	}
	r, err := c.drop.Read(ctx, &m)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := c.send(r, -1); err != nil {
		return err
	}
	if !c.set.KeepUnseen && m.Flags&mailbox.Seen == 0 {
		total, _ := c.drop.Totals()
		c.seen.set(n, total)
	}
	c.srv.count.sent(m.Size)
	return nil
}

// cut ends the connection in the middle of a response, so that nobody takes
// what there is for the whole.
func (c *conn) cut(err error) error {
	c.closing = true
	c.Quiet()
	c.log(slog.LevelError, "a response was cut short", slog.Any("error", err))
	return errSaid
}
