package pop3d

// rset is RSET (RFC 1939 section 5): nothing is marked as deleted any more. It
// answers as a login does, too.
func (c *conn) rset([]byte) error {
	c.deleted = nil
	c.count, c.octets = c.drop.Totals()
	return c.say(c.total())
}
