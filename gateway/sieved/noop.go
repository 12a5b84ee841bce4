package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// maxTag is the longest tag that NOOP gives back.
const maxTag = 1024

// noop is NOOP (RFC 5804 section 2.13).
func (c *conn) noop(_ *deadline.Context, args []word) error {
	if len(args) == 0 {
		return nil
	}
	if len(args[0].data) > maxTag {
		c.no("", "The tag is too long")
		return errSaid
	}
	c.WriteString("OK (TAG ")
	c.text(args[0].data)
	c.WriteString(") \"NOOP completed\"\r\n")
	return errSaid
}
