package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// logout is LOGOUT (RFC 5804 section 2.3).
func (c *conn) logout(*deadline.Context, []word) error {
	c.ok("", "Bye")
	c.closing = true
	c.Quiet()
	return errSaid
}
