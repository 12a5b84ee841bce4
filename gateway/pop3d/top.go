package pop3d

import "bytes"

// top is TOP (RFC 1939 section 7): the header, and some lines of what follows.
func (c *conn) top(arg []byte) error {
	first, second, _ := bytes.Cut(arg, []byte(" "))
	lines, ok := parseNumber(second)
	if !ok {
		return errForm
	}
	ctx := c.limited()
	defer ctx.Cancel()
	_, m, err := c.message(ctx, first)
	if err != nil {
		return err
	}
	r, err := c.drop.Read(ctx, &m)
	if err != nil {
		return err
	}
	defer r.Close()
	return c.send(r, lines)
}
