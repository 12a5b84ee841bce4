package sieved

import (
	"time"

	"github.com/gapura-mail/gapura/gateway/deadline"
)

// unauthenticate is UNAUTHENTICATE (RFC 5804 section 2.14).
func (c *conn) unauthenticate(*deadline.Context, []word) error {
	c.user, c.name = nil, ""
	c.LogIn()
	// Who logs in again has as long as who has just come.
	c.since = time.Now()
	return nil
}
