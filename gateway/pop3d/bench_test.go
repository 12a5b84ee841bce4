package pop3d_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
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
	acceptortest.IdleHoldsLittle(t, s, func(i int) []string {
		return []string{fmt.Sprintf("USER u%d\r\n", i), "PASS pass word\r\n", "LIST\r\n"}
	})
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
