package smtpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
)

// counted counts writes to the socket.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(p []byte) (int, error) { c.writes++; return c.Conn.Write(p) }

func message(size int) *Message {
	line := []byte("A line of text as it comes in real messages, of seventy-eight characters.....\r\n")
	b := bytes.Repeat(line, size/len(line))
	body := writerTo{b[:min(400, len(b))], b[min(400, len(b)):]}
	return &Message{Size: int64(len(b)), Open: func() io.ReadCloser { return body }}
}

func client(t testing.TB, chunking bool) (*Client, *server, *counted) {
	near, far := loopback(t)
	srv := &server{chunking: chunking}
	done := make(chan struct{})
	go func() { defer close(done); srv.serve(far) }()
	count := &counted{Conn: near}
	c, err := New(t.Context(), count, "x", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); <-done })
	return c, srv, count
}

// A small message costs one write with CHUNKING, two with DATA.
func TestWritesOfASmallMessage(t *testing.T) {
	t.Parallel()
	for _, chunking := range []bool{false, true} {
		c, _, count := client(t, chunking)
		for _, size := range []int{200, 4096, 50 << 10} {
			count.writes = 0
			if _, err := c.Send(t.Context(), allOf(envelope("b")), message(size)); err != nil {
				t.Fatal(err)
			}
			want := 2
			if chunking {
				want = 1
			}
			if count.writes != want {
				t.Errorf("chunking %t, %d octets: %d writes, want %d", chunking, size, count.writes, want)
			}
		}
	}
}

func BenchmarkSend(b *testing.B) {
	for _, chunking := range []bool{false, true} {
		for _, size := range []int{4 << 10, 50 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("chunking=%t/%dKiB", chunking, size>>10), func(b *testing.B) {
				near, far := loopback(b)
				go (&server{chunking: chunking}).serve(far)
				c, err := New(b.Context(), near, "x", Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				env, msg := allOf(envelope("b")), message(size)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				b.SetBytes(msg.Size)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Send(ctx, env, msg); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
