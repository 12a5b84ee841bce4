package acceptortest

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
)

const (
	idleConns = 400
	idleMost  = 8 << 10 // octets for each, the client's socket included
)

// Server is a server that IdleHoldsLittle asks.
type Server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// IdleHoldsLittle fails where connections that wait for a command take much of
// heap and stacks: buffers are given back meanwhile. say is what a client says,
// after the greeting, each line once that before it is answered in one segment.
// It shuts the server down.
func IdleHoldsLittle(t testing.TB, s Server, say func(client int) []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	before := inUse()
	var conns []net.Conn
	for i := range idleConns {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
		b := make([]byte, 600)
		for _, line := range append([]string{""}, say(i)...) {
			io.WriteString(nc, line)
			if _, err := nc.Read(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	each := (inUse() - before) / idleConns
	t.Logf("%d octets a connection, the client's socket included", each)
	if each > idleMost {
		t.Errorf("%d octets a connection", each)
	}
	for _, nc := range conns {
		nc.Close()
	}
	s.Shutdown(context.Background())
	<-done
}

func inUse() int {
	for range 6 { // stacks shrink by half with each collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
