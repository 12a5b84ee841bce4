package pop3d_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/pop3d"
)

// script is a connection that plays the client: it gives in, size octets at a
// time.
type script struct {
	net.Conn
	in     []byte
	size   int
	out    []byte
	writes int
}

func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr             { return addressed{}.RemoteAddr() }
func (s *script) LocalAddr() net.Addr              { return addressed{}.RemoteAddr() }

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:min(len(s.in), max(s.size, 1))])
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.writes++
	s.out = append(s.out, p...)
	return len(p), nil
}

// FuzzSession sends anything to a server, in pieces of any size.
func FuzzSession(f *testing.F) {
	const login = "USER bob\r\nPASS pass word\r\n"
	for i, s := range []string{
		login + "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nQUIT\r\n",
		login + "DELE 1\r\nDELE 2\r\nRSET\r\nLIST 1\r\nUIDL 3\r\n",
		"CAPA\r\nAUTH\r\nAUTH PLAIN\r\nAGJvYgBwYXNzIHdvcmQ=\r\nRETR 3\nTOP 3 0\nQUIT\n",
		"AUTH PLAIN =\r\n*\r\nSTLS\r\nUSER x\r\n", "UTF8\r\nSTLS\r\n", "RETR 99999999999\r\n\r\nTOP 1 1 1\r\n",
	} {
		f.Add([]byte(s), uint16(i*7))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		m := newMemory(first, second, third)
		c := &script{in: bytes.Clone(in), size: int(size)}
		opt := pop3d.Options{Limits: pop3d.Limits{LockWait: -1}}
		if size%2 == 1 {
			opt.TLS = testTLS()
		}
		newServer(t, opt, m).ServeConn(c)
		if m.users["bob"].inUse {
			t.Fatal("the maildrop stays locked")
		}
		out := c.out
		if i := bytes.IndexByte(out, 0x15); i >= 0 { // a TLS alert after STLS
			out = out[:i]
		}
		if n := len(m.left()); n < 3 && !bytes.HasSuffix(out, []byte("+OK Bye\r\n")) {
			t.Fatalf("%d messages left without QUIT: %q", n, out)
		}
		for line := range bytes.Lines(out) {
			if !bytes.HasSuffix(line, []byte("\r\n")) || line[0] == '.' && line[1] != '.' && len(line) != 3 {
				t.Fatalf("malformed line %q", line)
			}
		}
	})
}
