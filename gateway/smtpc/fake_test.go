package smtpc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play is a server that follows a script, one step a line:
//
//	S text    sends the line
//	S+ text   sends the bytes, with \r\n written as ~
//	C text    wants the line
//	T text    wants these octets, ~ for \r\n
//	X         closes
//	H         says nothing more until the client has gone
//	E         wants the end of the connection
//
// What is not as the script says fails the test.
func play(t *testing.T, conn net.Conn, script string) (done func()) {
	t.Helper()
	end := make(chan error, 1)
	go func() {
		defer conn.Close()
		end <- follow(conn, bufio.NewReaderSize(conn, 1<<20), script)
	}()
	return func() {
		t.Helper()
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
}

func follow(conn net.Conn, in *bufio.Reader, script string) error {
	for n, step := range strings.Split(strings.TrimSpace(script), "\n") {
		verb, arg, _ := strings.Cut(strings.TrimSpace(step), " ")
		var err error
		switch verb {
		case "S":
			// A client that has gone shows at the next step that reads.
			_, _ = io.WriteString(conn, arg+"\r\n")
		case "S+":
			_, _ = io.WriteString(conn, strings.ReplaceAll(arg, "~", "\r\n"))
		case "C":
			var line string
			if line, err = in.ReadString('\n'); err == nil && line != arg+"\r\n" {
				err = fmt.Errorf("got %q", line)
			}
		case "T":
			want := strings.ReplaceAll(arg, "~", "\r\n")
			got := make([]byte, len(want))
			if _, err = io.ReadFull(in, got); err == nil && string(got) != want {
				err = fmt.Errorf("got %q", got)
			}
		case "X":
			return nil
		case "H":
			_, _ = io.Copy(io.Discard, in)
			return nil
		case "E":
			var rest []byte
			if rest, err = io.ReadAll(in); err == nil && len(rest) > 0 {
				err = fmt.Errorf("got %q", rest)
			}
		}
		if err != nil {
			return fmt.Errorf("step %d %.80q: %w", n+1, strings.TrimSpace(step), err)
		}
	}
	return nil
}

const (
	hello     = "S 220 fake ESMTP\nC EHLO me\n"
	helloPipe = hello + "S 250-fake\nS 250-PIPELINING\nS 250-8BITMIME\nS 250 SIZE 1000000\n"
	helloBDAT = hello + "S 250-fake\nS 250-PIPELINING\nS 250 CHUNKING\n"
)

// dialogue runs f over a client whose server follows script. It must be
// called in a synctest bubble if time matters.
func dialogue(t *testing.T, opt Options, script string, f func(c *Client)) error {
	t.Helper()
	near, far := net.Pipe()
	done := play(t, far, script)
	defer done()
	if opt.Hello == "" {
		opt.Hello = "me"
	}
	c, err := New(t.Context(), near, "fake.test", opt)
	if err != nil {
		return err
	}
	defer c.Close()
	if f != nil {
		f(c)
	}
	return nil
}

func envelope(to ...string) *Envelope {
	e := &Envelope{From: smtp.ReversePath{Address: smtp.Address{Local: "a", Domain: "x.test"}}}
	for _, s := range to {
		e.Rcpts = append(e.Rcpts, Rcpt{To: smtp.ForwardPath{Address: smtp.Address{Local: s, Domain: "y.test"}}})
	}
	return e
}

func allOf(e *Envelope) *Envelope { e.All = true; return e }

func text(s string) *Message {
	return &Message{Size: int64(len(s)), Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }}
}

// writerTo hands its pieces out as slices.
type writerTo [][]byte

func (w writerTo) Read([]byte) (int, error) { panic("WriteTo is there") }
func (w writerTo) Close() error             { return nil }
func (w writerTo) WriteTo(to io.Writer) (n int64, err error) {
	for _, p := range w {
		m, err := to.Write(p)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func codes(r Result) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s", r.Step)
	for _, x := range r.Rcpts {
		fmt.Fprintf(&b, " %d", x.Code)
	}
	return b.String()
}

func wantError(t *testing.T, err error, step Step, ambiguous bool) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v", err)
	}
	if e.Step != step || e.Ambiguous != ambiguous {
		t.Errorf("%v: step %s ambiguous %t, want %s %t", err, e.Step, e.Ambiguous, step, ambiguous)
	}
	return e
}

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }

// loopback is a connected pair of TCP sockets.
func loopback(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}
