package smtpd_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// client is one end of a net.Pipe whose other end a server has.
type client struct {
	net.Conn
	t    *testing.T
	r    *bufio.Reader
	done chan struct{} // closed when the server is done with it
}

func newServer(t *testing.T, opt smtpd.Options, h smtpd.Handler) *smtpd.Server {
	t.Helper()
	opt.Hostname = "mx.example.test"
	if opt.Protocol == "" {
		opt.Protocol = "smtp"
	}
	s, err := smtpd.New(opt, h)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, s *smtpd.Server) *client {
	a, b := net.Pipe()
	c := &client{Conn: a, t: t, r: bufio.NewReader(a), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		s.ServeConn(addressed{b})
	}()
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("sending %q: %v", s, err)
	}
}

// expect reads replies and compares their codes.
func (c *client) expect(codes ...string) {
	c.t.Helper()
	for _, code := range codes {
		for {
			line, err := c.r.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, code) {
				c.t.Fatalf("got %q, %v; want %s", line, err, code)
			}
			if line[3] == ' ' {
				break
			}
		}
	}
}

// expectEnd waits until the server has closed the connection.
func (c *client) expectEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		c.t.Fatalf("at the end: %q, %v", b, err)
	}
	<-c.done
}

func (c *client) hello() {
	c.t.Helper()
	c.expect("220")
	c.send("EHLO client.example.org\r\n")
	c.expect("250")
}

func (c *client) envelope() {
	c.t.Helper()
	c.send("MAIL FROM:<a@example.org>\r\n")
	c.expect("250")
	c.send("RCPT TO:<b@example.test>\r\n")
	c.expect("250")
}

func between(t *testing.T, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("after %v, want %v to %v", got, low, high)
	}
}

type slowHandler struct {
	smtpdtest.Handler
	delay time.Duration
}

func (h *slowHandler) Connect(ctx context.Context, info smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	s, r, err := h.Handler.Connect(ctx, info)
	return slowSession{s, h.delay}, r, err
}

type slowSession struct {
	smtpd.Session
	delay time.Duration
}

func (s slowSession) Mail(ctx context.Context, from smtp.ReversePath, p smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	tx, r, err := s.Session.Mail(ctx, from, p)
	return slowTransaction{tx, s.delay}, r, err
}

type slowTransaction struct {
	smtpd.Transaction
	delay time.Duration
}

func (s slowTransaction) Data(ctx context.Context, r io.Reader) ([]smtp.Reply, error) {
	return s.Transaction.Data(ctx, slowReader{r, ctx, s.delay})
}

type slowReader struct {
	r     io.Reader
	ctx   context.Context
	delay time.Duration
}

func (s slowReader) Read(p []byte) (int, error) {
	select {
	case <-time.After(s.delay):
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
	return s.r.Read(p)
}
