package smtpc

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// said is a connection whose other side has said everything in advance.
type said struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *said) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err == io.EOF {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}
func (s *said) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *said) Close() error                     { return nil }
func (s *said) LocalAddr() net.Addr              { return nil }
func (s *said) RemoteAddr() net.Addr             { return nil }
func (s *said) SetDeadline(time.Time) error      { return nil }
func (s *said) SetReadDeadline(time.Time) error  { return nil }
func (s *said) SetWriteDeadline(time.Time) error { return nil }

// Whatever a server says, the client ends, believes nothing that was not said,
// and never ends a message that nobody is to get.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"220 x\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n",
		"220 x\r\n250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 done\r\n",
		"220 x\r\n250 x\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n",
		"220 x\r\n250-x\r\n250 PRDR\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n353 x\r\n250 a\r\n550 b\r\n250 c\r\n",
		"220 x\r\n502 x\r\n250 x\r\n421 4.3.2 bye\r\n",
		"220 x\r\n250-x\r\n250-SIZE 1\r\n250-LIMITS MAILMAX=1 RCPTMAX=1\r\n250 AUTH=PLAIN LOGIN\r\n",
		"220-a\r\n220-\r\n220\r\n250 x\r\n451-4.3.0 x\r\n451 4.3.0 y\r\n",
	} {
		for mode := range uint8(8) {
			f.Add([]byte(s), mode)
		}
	}
	const body = "Subject: x\r\n\r\n.x\r\n"
	f.Fuzz(func(t *testing.T, in []byte, mode uint8) {
		conn := &said{in: bytes.NewReader(in)}
		c, err := New(t.Context(), conn, "x", Options{LMTP: mode&1 != 0})
		if err != nil {
			return
		}
		env := envelope("b")
		if mode&2 != 0 {
			env = envelope("b", "c")
		}
		env.All = mode&4 != 0
		env.Params.PRDR = true
		res, err := c.Send(t.Context(), env, text(body))
		sent := strings.HasSuffix(conn.out.String(), "\r\n\r\n..x\r\n.\r\n") || strings.Contains(conn.out.String(), " LAST\r\n"+body)
		for _, r := range res.Rcpts {
			if r.Positive() && res.Step == StepDone && !sent {
				t.Errorf("accepted, but not sent: %q", conn.out.String())
			}
			if r.Positive() && err != nil && res.Step != StepDone {
				t.Errorf("%v, but %v", err, r)
			}
		}
		if res.Step == StepRcpt && strings.Contains(conn.out.String(), "\r\n.\r\n") {
			t.Errorf("a message for nobody: %q", conn.out.String())
		}
		_ = c.Alive()
		c.Quit(t.Context())
	})
}
