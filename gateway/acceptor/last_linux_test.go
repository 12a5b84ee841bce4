//go:build !race

package acceptor_test

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gapura-mail/gapura/gateway/acceptor"
)

// TestTheLastWordsBringTheEnd in one segment: after the handshake's there is no
// other.
func TestTheLastWordsBringTheEnd(t *testing.T) {
	t.Parallel()
	for name, quiet := range map[string]bool{"closed": true, "lingering": false} {
		s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
			c.WriteString("bye\r\n")
			if quiet {
				c.Quiet()
			}
		})
		nc := dialTCP(t, s)
		if got := all(t, nc); got != "bye\r\n" {
			t.Errorf("%s: %q", name, got)
		}
		if n := segments(t, nc); n != 2 {
			t.Errorf("%s: %d segments came", name, n)
		}
	}
}

// TestLastWordsWaitForRoom: none are lost where the client reads slowly.
func TestLastWordsWaitForRoom(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		for range 100 {
			c.Write(make([]byte, 64<<10))
		}
		c.WriteString("bye\r\n")
		c.Quiet()
	})
	if got := all(t, dialTCP(t, s)); len(got) != 100*64<<10+5 || got[len(got)-5:] != "bye\r\n" {
		t.Errorf("%d octets", len(got))
	}
}

// dialTCP connects to s over loopback.
func dialTCP(t *testing.T, s *acceptor.Server) *net.TCPConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(l) }()
	t.Cleanup(func() { s.Shutdown(t.Context()); <-ended })
	nc, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// segments tells how many segments came.
func segments(t *testing.T, nc *net.TCPConn) (n int) {
	t.Helper()
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	rc, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = rc.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Skip(err)
		}
		n = int(info.Segs_in)
	})
	return n
}
