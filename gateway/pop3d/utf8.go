package pop3d

// utf8Mode is UTF8 (RFC 6856 section 2.1). Messages are sent as they are with
// it and without.
func (c *conn) utf8Mode(arg []byte) error {
	if len(arg) > 0 {
		return errForm
	}
	c.utf8 = true
	return c.say("UTF-8 it is")
}
