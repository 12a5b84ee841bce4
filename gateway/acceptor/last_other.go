//go:build !linux || race

// The race detector knows that what was done before a write comes before what is
// done after the read that gets it, but not so of sendmsg.

package acceptor

// lastFlush is Flush where the connection is about to be closed.
func (c *Conn) lastFlush() { c.Flush() }
