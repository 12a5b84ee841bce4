//go:build unix

package smtpc

import (
	"errors"
	"net"
	"syscall"
)

// isReset tells whether err says that the peer has closed.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// peeker looks whether a socket has something to read, without waiting and
// without reading it.
type peeker struct {
	raw   syscall.RawConn
	look  func(fd uintptr) bool
	clear bool
	octet [1]byte
}

func (p *peeker) init(conn net.Conn) {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	p.raw = raw
	p.look = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), p.octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		p.clear = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	}
}

// quiet tells whether the connection is open and says nothing.
func (p *peeker) quiet() bool {
	p.clear = false
	return p.raw.Read(p.look) == nil && p.clear
}
