package sieved

import "github.com/gapura-mail/gapura/gateway/deadline"

// listscripts is LISTSCRIPTS (RFC 5804 section 2.7).
func (c *conn) listscripts(ctx *deadline.Context, _ []word) error {
	list, err := c.user.Scripts(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		c.text([]byte(s.Name))
		if s.Active {
			c.WriteString(" ACTIVE")
		}
		c.WriteString("\r\n")
	}
	return nil
}
