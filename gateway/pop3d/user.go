package pop3d

import "bytes"

// userName is USER (RFC 1939 section 7). Whether there is such a user is not
// told.
func (c *conn) userName(arg []byte) error {
	switch {
	case !c.mayLogIn():
		return errPrivacy
	case !c.passwords():
		return errOffered
	case len(arg) == 0 || bytes.IndexByte(arg, 0) >= 0:
		return errForm
	}
	c.name = string(arg)
	return c.say("Send PASS")
}
