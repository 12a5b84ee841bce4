package pop3d_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/pop3d"
)

// BenchmarkRETR is a RETR of 4 KiB over loopback with its client.
func BenchmarkRETR(b *testing.B) {
	m := newMemory(strings.Repeat(strings.Repeat("x", 70)+"\r\n", 57))
	s := newServer(b, pop3d.Options{}, m)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	io.WriteString(nc, "USER bob\r\nPASS pass word\r\n")
	r := bufio.NewReaderSize(nc, 32<<10)
	for range 3 {
		r.ReadSlice('\n')
	}
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(nc, "RETR 1\r\n")
		for {
			l, err := r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(l) == 3 {
				break
			}
		}
	}
	nc.Close()
	s.Shutdown(context.Background())
	<-done
}

// TestIdleConnectionsHoldNoBuffers bounds what an idle connection costs on the
// heap and on stacks.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("opens many sockets; the race detector needs memory of its own")
	}
	m := newMemory()
	s := newServer(t, pop3d.Options{Limits: pop3d.Limits{Accepting: acceptor.Limits{ConnectionsPerIP: -1}}}, m)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	const n = 400
	before := inUse()
	var conns []net.Conn
	for i := range n {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
		b := make([]byte, 600)
		for _, say := range []string{"", fmt.Sprintf("USER u%d\r\n", i), "PASS pass word\r\n", "LIST\r\n"} {
			io.WriteString(nc, say)
			if _, err := nc.Read(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	each := (inUse() - before) / n
	t.Logf("%d octets a connection, the client's socket included", each)
	if each > 8<<10 {
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

// TestOneWriteACommand.
func TestOneWriteACommand(t *testing.T) {
	t.Parallel()
	c := &acceptortest.Script{In: []byte("USER bob\r\nPASS pass word\r\nRETR 1\r\nLIST\r\nTOP 1 0\r\nQUIT\r\n"), Size: 1 << 20}
	newServer(t, pop3d.Options{}, newMemory(first)).ServeConn(c)
	if len(c.Writes) != 2 { // the greeting, and all the rest
		t.Errorf("%d writes", len(c.Writes))
	}
}
