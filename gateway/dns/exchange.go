package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	wire "github.com/miekg/dns"
)

const (
	udpBuffer = 4096 // octets of a UDP answer that are read; servers may ignore ednsSize
	maxStrays = 16   // packets that answer something else, until TCP is tried
)

// errDoubtful is the end of a UDP exchange that TCP has to settle.
var errDoubtful = errors.New("truncated or doubtful")

// exchange sends one query and returns the response, over TCP when UDP cannot
// give it whole or cannot be trusted. An error is ErrTimeout.
func (c *Client) exchange(ctx context.Context, s *server, q query) (*wire.Msg, error) {
	b, err := overUDP(ctx, s.addr, q)
	if errors.Is(err, errDoubtful) {
		c.metrics.retry("tcp")
		b, err = overTCP(ctx, s.addr, q)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	m := new(wire.Msg)
	if err := m.Unpack(b); err != nil {
		return nil, fmt.Errorf("%w: malformed answer: %w", ErrTimeout, err)
	}
	return m, nil
}

// dial opens a connection that ends with ctx. A UDP socket of each query's
// own gets a random port from the kernel and only packets of that server.
func dial(ctx context.Context, network, addr string) (net.Conn, func(), error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, nil, err
	}
	if t, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(t)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() {
		stop()
		_ = conn.Close()
	}, nil
}

func overUDP(ctx context.Context, addr string, q query) ([]byte, error) {
	conn, done, err := dial(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	defer done()
	if _, err := conn.Write(q.udp()); err != nil {
		return nil, err
	}
	buf := make([]byte, udpBuffer)
	for range maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		switch q.answeredBy(buf[:n]) {
		case exact:
			if truncated(buf[:n]) {
				return nil, errDoubtful
			}
			return buf[:n], nil
		case folded:
			return nil, errDoubtful
		case stray: // a late answer, or a forgery: the true one may yet come
		}
	}
	return nil, errDoubtful
}

func overTCP(ctx context.Context, addr string, q query) ([]byte, error) {
	conn, done, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer done()
	if _, err := conn.Write(q.tcp()); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return nil, err
	}
	if q.answeredBy(b) == stray || truncated(b) {
		return nil, errors.New("the answer over TCP is to another question or truncated")
	}
	return b, nil
}
