package dns

// Distrust makes c ignore AD, as it does for servers that are not on loopback.
func Distrust(c *Client) {
	for _, s := range c.list {
		s.trusted = false
	}
}
