package pop3d

import "strings"

// capa is CAPA (RFC 2449 section 5).
func (c *conn) capa([]byte) error {
	c.say("Capabilities follow")
	for _, s := range []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "IMPLEMENTATION Gapura"} {
		c.WriteString(s + "\r\n")
	}
	if c.drop == nil {
		if c.mayStartTLS() {
			c.WriteString("STLS\r\n")
		}
		if c.passwords() {
			c.WriteString("USER\r\n")
		}
		if m := c.mechanisms(); len(m) > 0 {
			c.WriteString("SASL " + strings.Join(m, " ") + "\r\n")
		}
	}
	return c.end()
}
