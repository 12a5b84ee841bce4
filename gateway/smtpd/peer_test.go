package smtpd_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// serve starts a server on loopback and returns its address.
func serve(t testing.TB, opt smtpd.Options, h smtpd.Handler) (string, *smtpd.Server) {
	t.Helper()
	if opt.Hostname == "" {
		opt.Hostname = "mx.example.test"
	}
	s, err := smtpd.New(opt, h)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-done; err != smtpd.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String(), s
}

func TestGoSMTPClientSends(t *testing.T) {
	t.Parallel()
	h := &smtpdtest.Handler{}
	addr, _ := serve(t, smtpd.Options{Protocol: "smtp"}, h)
	c, err := gosmtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := "Subject: x\r\n\r\n.dot\r\n..\r\n" + strings.Repeat("line of text\r\n", 20000) + ".\r\n"
	for range 3 {
		if err := c.SendMail("a@example.test", []string{"b@example.test", "c@example.test"}, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	m := h.Messages()
	if len(m) != 3 || m[0].Data != text || len(m[2].Rcpts) != 2 {
		t.Fatalf("%d messages", len(m))
	}
}

func TestGoSMTPClientSendsInTLS(t *testing.T) {
	t.Parallel()
	h := &smtpdtest.Handler{}
	addr, _ := serve(t, smtpd.Options{Protocol: "smtp", TLS: testTLS()}, h)
	implicit, _ := serve(t, smtpd.Options{Protocol: "submissions", TLS: testTLS(), ImplicitTLS: true}, h)
	cfg := &tls.Config{InsecureSkipVerify: true}
	for i, dial := range []func() (*gosmtp.Client, error){
		func() (*gosmtp.Client, error) { return gosmtp.DialStartTLS(addr, cfg) },
		func() (*gosmtp.Client, error) { return gosmtp.DialTLS(implicit, cfg) },
	} {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("line of text\r\n", 20000)
		if err := c.SendMail("a@example.test", []string{"b@example.test"}, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := c.Quit(); err != nil {
			t.Fatal(err)
		}
		m := h.Messages()
		if len(m) != i+1 || m[i].Data != text || m[i].Info.TLS == nil {
			t.Fatalf("%d messages", len(m))
		}
	}
}

func TestGoSMTPClientSpeaksLMTP(t *testing.T) {
	t.Parallel()
	h := &smtpdtest.Handler{}
	s := newServer(t, smtpd.Options{Protocol: "lmtp"}, h)
	path := filepath.Join(t.TempDir(), "lmtp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := gosmtp.NewClientLMTP(nc)
	if err := c.Mail("a@example.test", nil); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"b@example.test", "refused@example.test"} {
		if err := c.Rcpt(to, nil); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "text\r\n")
	replies, err := w.CloseWithLMTPResponse()
	c.Quit()
	var failed gosmtp.LMTPDataError
	if !errors.As(err, &failed) || len(failed) != 1 || failed["refused@example.test"] == nil || replies["b@example.test"] == nil {
		t.Errorf("%v, %v", replies, err)
	}
	if m := h.Messages(); len(m) != 1 || m[0].Info.Remote.IsValid() {
		t.Errorf("%d messages", len(m))
	}
	s.Shutdown(context.Background())
	<-done
}
