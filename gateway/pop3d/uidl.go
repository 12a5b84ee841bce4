package pop3d

import "strconv"

// uidl is UIDL (RFC 1939 section 7).
func (c *conn) uidl(arg []byte) error {
	var id [maxUIDL]byte
	if len(arg) > 0 {
		n, err := c.number(arg)
		if err != nil {
			return err
		}
		return c.say(strconv.Itoa(n), " ", string(c.uniqueID(id[:0], n)))
	}
	c.say("Unique ids follow")
	total, _ := c.drop.Totals()
	for n := 1; n <= total; n++ {
		if c.deleted.has(n) {
			continue
		}
		if err := c.item(n, c.uniqueID(id[:0], n)); err != nil {
			return c.cut(err)
		}
	}
	return c.end()
}

// uniqueID appends UID and UIDVALIDITY, each in eight hexadecimal digits: what
// they name is never another message. Dovecot writes them so, too: a mailbox
// that came from there with both of them is not fetched again.
func (c *conn) uniqueID(b []byte, n int) []byte {
	return appendHex(appendHex(b, c.drop.UID(n)), c.drop.Validity())
}

func appendHex(b []byte, v uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}
