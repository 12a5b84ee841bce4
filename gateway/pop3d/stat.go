package pop3d

import "strconv"

// stat is STAT (RFC 1939 section 5).
func (c *conn) stat([]byte) error {
	b, err := c.Room(2*maxDigits + len("+OK  \r\n"))
	if err != nil {
		return err
	}
	b = append(b, "+OK "...)
	b = append(strconv.AppendInt(b, int64(c.count), 10), ' ')
	c.SetOutput(append(strconv.AppendInt(b, c.octets, 10), "\r\n"...))
	return nil
}
