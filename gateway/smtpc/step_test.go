package smtpc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

const helloBare = hello + "S 250-fake\nS 250 PIPELINING\n"

const mailRcpt = "C MAIL FROM:<a@x.test>\nC RCPT TO:<b@y.test>\n"

// Servers that reply before it is their turn, or twice: never is a message
// thought delivered that they refuse.
func TestServersOutOfStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		codes  string // "" : an error
		is     error
	}{
		"250 before the end": {
			helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~250 early~\nE", "", ErrProtocol,
		},
		"550 before the end": {
			helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~550 early~\nE", "", nil,
		},
		"250 and 451 at the end": {
			helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~\nT Hi~.~\nS+ 250 ok~451 no~\nE", "done 451", nil,
		},
		"250 and 250 at the end": {
			helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~\nT Hi~.~\nS+ 250 ok~250 ok~\nE", "done 250", nil,
		},
		"250 and 421 at the end": {
			helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~\nT Hi~.~\nS+ 250 ok~421 bye~\nE", "done 250", nil,
		},
		"451 and 250 at the end": {
			helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~\nT Hi~.~\nS+ 451 no~250 ok~\nE", "done 451", nil,
		},
		"two to RCPT, with a message behind": {
			helloBDAT + mailRcpt + "C BDAT 4 LAST\nT Hi~\nS+ 250 ok~250 ok~250 too many~451 no~\nE", "done 451", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				err := dialogue(t, Options{}, c.script, func(cl *Client) {
					res, err := cl.Send(t.Context(), envelope("b"), text("Hi\r\n"))
					if (err != nil) != (c.codes == "") || err == nil && codes(res) != c.codes {
						t.Errorf("%s, %v; want %s", codes(res), err, c.codes)
					}
					var e *Error
					if errors.As(err, &e) && (e.Ambiguous || e.Source || e.Step != StepBody) {
						t.Errorf("%+v", e)
					}
					if c.is != nil && !errors.Is(err, c.is) {
						t.Error(err)
					}
					if cl.Usable() {
						t.Error("the connection may be used again")
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// An answer too many to a question: none of them is believed.
func TestVerifyOutOfStep(t *testing.T) {
	t.Parallel()
	err := dialogue(t, Options{}, helloBare+mailRcpt+"C RSET\nS+ 250 too many~250 ok~550 no~250 reset~\nE", func(c *Client) {
		res, err := c.Verify(t.Context(), envelope("b"))
		if !errors.Is(err, ErrProtocol) || res.Rcpts[0].Positive() {
			t.Errorf("%s, %v", codes(res), err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// The same over a socket, while a long message is on its way.
func TestReplyWhileTheMessageIsSent(t *testing.T) {
	t.Parallel()
	for _, hello := range []string{helloBare + mailRcpt + "C DATA\nS+ 250 ok~250 ok~354 go~\n", helloBDAT + mailRcpt + "S+ 250 ok~250 ok~\n"} {
		for _, code := range []int{250, 552} {
			near, far := socketPair(t)
			done := play(t, far, fmt.Sprintf("%sS %d early\nH\n", hello, code))
			c, err := New(t.Context(), near, "fake.test", Options{Hello: "me"})
			if err != nil {
				t.Fatal(err)
			}
			m := text(strings.Repeat("x", 2*InlineBody) + "\r\n")
			m.Open = func() io.ReadCloser { return &watchful{c: c, left: int(m.Size)} }
			_, err = c.Send(t.Context(), envelope("b"), m)
			var e *Error
			if !errors.As(err, &e) || e.Step != StepBody || e.Ambiguous || errors.Is(err, ErrProtocol) != (code == 250) || code != 250 && e.Reply.Code != code {
				t.Errorf("%d: %v", code, err)
			}
			c.Close()
			done()
		}
	}
}

// watchful is a message that ends only when the server has said something.
type watchful struct {
	c    *Client
	left int
}

func (w *watchful) Close() error { return nil }
func (w *watchful) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	for w.left == 2 && w.c.in.Buffered() == 0 && w.c.quiet() {
		runtime.Gosched()
	}
	n := min(len(p), max(w.left-2, 2))
	for i := range n {
		p[i] = 'x'
	}
	if w.left == 2 {
		copy(p, "\r\n")
	}
	w.left -= n
	return n, nil
}

func socketPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}
