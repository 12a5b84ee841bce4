//go:build !linux

package acceptor

// lastFlush is Flush where the connection is about to be closed.
func (c *Conn) lastFlush() { c.Flush() }
