package smtpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

var samples = map[string]string{
	"empty":       "\r\n",
	"small":       "Subject: hello\r\n\r\nHello.\r\n",
	"dots":        ".\r\n..\r\n.a\r\n\r\n...\r\n.\r\n",
	"no line end": "Subject: x\r\n\r\nend",
	"64 KiB":      strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 1024),
	"1 MiB":       strings.Repeat(".123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 16384),
}

// Every message arrives byte for byte over every kind of connection.
func TestGoSMTPTakesEverything(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t, "peer.test")
	withTLS := func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} }
	cfg := &tls.Config{RootCAs: pool, ServerName: "peer.test"}
	for name, tt := range map[string]struct {
		server func(*gosmtp.Server)
		opt    Options
		net    string
	}{
		"plain":         {nil, Options{}, "tcp"},
		"no chunking":   {nil, Options{NoChunking: true}, "tcp"},
		"step by step":  {nil, Options{NoChunking: true, NoPipelining: true}, "tcp"},
		"opportunistic": {nil, Options{TLS: TLSOpportunistic, TLSConfig: cfg}, "tcp"},
		"starttls":      {withTLS, Options{TLS: TLSRequired, TLSConfig: cfg}, "tcp"},
		"implicit":      {func(s *gosmtp.Server) { withTLS(s); s.Addr = "implicit" }, Options{TLS: TLSImplicit, TLSConfig: cfg}, "tcp"},
		"lmtp":          {func(s *gosmtp.Server) { s.LMTP = true }, Options{LMTP: true}, "tcp"},
		"lmtp unix":     {func(s *gosmtp.Server) { s.LMTP = true; s.Network = "unix" }, Options{LMTP: true, NoChunking: true}, "unix"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &backend{}
			c, err := Dial(t.Context(), tt.net, peer(t, b, tt.server), tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if (c.TLS() != nil) != (tt.opt.TLS > TLSOpportunistic) {
				t.Error("TLS is", c.TLS() != nil)
			}
			for what, s := range samples {
				want := s
				if !c.Extensions().Chunking && !strings.HasSuffix(s, "\r\n") {
					want += "\r\n" // DATA has no other way
				}
				for _, to := range [][]string{{"b"}, {"b", "c"}} {
					res, err := c.Send(t.Context(), envelope(to...), text(s))
					if err != nil || res.Step != StepDone || !res.Rcpts[0].Positive() {
						t.Fatalf("%s: %v %v", what, res, err)
					}
					got := b.mails()[len(b.mails())-1]
					if got.text != want || len(got.to) != len(to) || got.from != "a@x.test" {
						t.Errorf("%s: got %d octets of %d for %v", what, len(got.text), len(want), got.to)
					}
				}
			}
			c.Quit(t.Context())
		})
	}
}

func TestGoSMTPRefusesSome(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, err := Dial(t.Context(), "tcp", peer(t, b, func(s *gosmtp.Server) { s.LMTP = true }), Options{LMTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	res, err := c.Send(t.Context(), envelope("b", "no", "full"), text("\r\n"))
	if err != nil || codes(res) != "done 250 550 452" {
		t.Error(res, err)
	}
	if r := res.Rcpts[2]; r.Enhanced != (smtp.EnhancedCode{4, 2, 2}) || !strings.Contains(r.Text, "Full") {
		t.Error(r)
	}
	res, err = c.Send(t.Context(), allOf(envelope("b", "no")), text("\r\n"))
	if err != nil || codes(res) != "rcpt 250 550" {
		t.Error(res, err)
	}
	res, err = c.Send(t.Context(), allOf(envelope("no")), text("\r\n"))
	if err != nil || codes(res) != "rcpt 550" {
		t.Error(res, err)
	}
	res, err = c.Verify(t.Context(), envelope("no", "b"))
	if err != nil || codes(res) != "rcpt 550 250" {
		t.Error(res, err)
	}
	res, err = c.Send(t.Context(), envelope("b"), text("\r\n"))
	if err != nil || codes(res) != "done 250" || len(b.mails()) != 2 {
		t.Error(res, err, len(b.mails()))
	}
}

func TestGoSMTPUnderstandsTheParameters(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t, "peer.test")
	b := &backend{}
	addr := peer(t, b, func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} })
	c, err := Dial(t.Context(), "tcp", addr, Options{TLS: TLSRequired, TLSConfig: &tls.Config{RootCAs: pool, ServerName: "peer.test"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	env := envelope("b")
	env.Params = smtp.MailParams{RequireTLS: true, SMTPUTF8: true, Return: smtp.ReturnHeaders, EnvelopeID: "a=b+c"}
	env.Rcpts[0].To.Local = "bücher x"
	env.Rcpts[0].Params = smtp.RcptParams{Notify: smtp.NotifySuccess | smtp.NotifyDelay, OriginalType: "rfc822", OriginalAddress: "o+p@z.test"}
	m := text("Subject: ü\r\n\r\nü\r\n")
	m.EightBit, m.UTF8Header = true, true
	if res, err := c.Send(t.Context(), env, m); err != nil || codes(res) != "done 250" {
		t.Fatal(res, err)
	}
	got := b.mails()[0]
	o, d := got.opt, got.dsn[0]
	if !o.RequireTLS || !o.UTF8 || o.Body != gosmtp.Body8BitMIME || o.Return != gosmtp.DSNReturnHeaders || o.EnvelopeID != "a=b+c" || o.Size != m.Size {
		t.Errorf("%+v", o)
	}
	if len(d.Notify) != 2 || d.OriginalRecipient != "o+p@z.test" {
		t.Errorf("%+v", d)
	}
	if got.to[0] != "bücher x@y.test" {
		t.Error(got.to)
	}
}

func TestCloseWhileSending(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, err := Dial(t.Context(), "tcp", peer(t, b, nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	m := &Message{Size: 1 << 20, Open: func() io.ReadCloser { return r }}
	go func() {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
		cancel()
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100<<10))
		w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	_, err = c.Send(ctx, envelope("b"), m)
	wantError(t, err, StepBody, false)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
