package pop3d

// noop is NOOP (RFC 1939 section 5).
func (c *conn) noop([]byte) error { return c.say("Still here") }
