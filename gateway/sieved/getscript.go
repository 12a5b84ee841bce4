package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// getscript is GETSCRIPT (RFC 5804 section 2.9).
func (c *conn) getscript(ctx *deadline.Context, args []word) error {
	s, err := c.user.Script(ctx, string(args[0].data))
	if err != nil {
		return err
	}
	c.literalOut(s.Data)
	c.WriteString("\r\n")
	return nil
}
