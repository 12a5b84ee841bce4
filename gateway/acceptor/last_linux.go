//go:build !race

package acceptor

import "syscall"

// lastFlush is Flush where the connection is about to be closed, at least for
// sending: the kernel is told that more comes, so that the last words and the
// FIN leave in one segment, which also wakes the client but once.
func (c *Conn) lastFlush() {
	if c.rc != nil && c.nc == c.raw && c.deaf == nil && len(c.out) > 0 {
		_ = c.rc.Control(c.sendLast)
	}
	c.Flush() // what the socket had no room for
}

// sendLast sends what it can of what is queued, without waiting.
func (c *Conn) sendLast(fd uintptr) {
	n, err := syscall.SendmsgN(int(fd), c.out, nil, nil, syscall.MSG_MORE|syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
	if err == nil {
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
}
