package smtpc

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

func TestTLSFailures(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t, "peer.test")
	addr := peer(t, &backend{}, func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} })
	plain := peer(t, &backend{}, nil)
	for name, tt := range map[string]struct {
		addr string
		mode TLSMode
		cfg  *tls.Config
		is   error
	}{
		"other name":    {addr, TLSRequired, &tls.Config{RootCAs: pool, ServerName: "other.test"}, nil},
		"unknown CA":    {addr, TLSRequired, &tls.Config{ServerName: "peer.test"}, nil},
		"no STARTTLS":   {plain, TLSRequired, nil, ErrNoTLS},
		"not TLS":       {plain, TLSImplicit, nil, nil},
		"opportunistic": {addr, TLSOpportunistic, &tls.Config{ServerName: "peer.test"}, nil},
	} {
		_, err := Dial(t.Context(), "tcp", tt.addr, Options{TLS: tt.mode, TLSConfig: tt.cfg, Timeouts: Timeouts{TLS: 2 * time.Second}})
		wantError(t, err, StepTLS, false)
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Error(name, err)
		}
	}
	c, err := Dial(t.Context(), "tcp", addr, Options{TLS: TLSRequired, TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t, "peer.test")
	mine, trust := certificate(t, "me.test")
	addr := peer(t, &backend{}, func(s *gosmtp.Server) {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, ClientCAs: trust}
	})
	cfg := &tls.Config{RootCAs: pool, ServerName: "peer.test"}
	if c, err := Dial(t.Context(), "tcp", addr, Options{TLS: TLSRequired, TLSConfig: cfg}); err == nil {
		c.Close()
		t.Error("no certificate was asked for")
	}
	cfg.Certificates = []tls.Certificate{mine}
	c, err := Dial(t.Context(), "tcp", addr, Options{TLS: TLSRequired, TLSConfig: cfg})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// What follows the reply to STARTTLS in plaintext was put there by somebody.
func TestInjectionAfterSTARTTLS(t *testing.T) {
	t.Parallel()
	script := hello + "S 250-fake\nS 250 STARTTLS\nC STARTTLS\nS+ 220 go~250 injected~\nE"
	err := dialogue(t, Options{TLS: TLSRequired}, script, nil)
	wantError(t, err, StepTLS, false)
	if !errors.Is(err, ErrInjection) {
		t.Error(err)
	}
}

// What was offered before TLS does not count after it, and what the client
// said is said again.
func TestHelloAgainAfterSTARTTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t, "fake.test")
	near, far := net.Pipe()
	end := make(chan error, 1)
	go func() {
		defer far.Close()
		if err := follow(far, newReader(far), hello+"S 250-fake\nS 250-STARTTLS\nS 250 CHUNKING\nC STARTTLS\nS 220 go"); err != nil {
			end <- err
			return
		}
		sec := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}})
		end <- follow(sec, newReader(sec), "C EHLO me\nS 250-fake\nS 250 DSN\nX")
	}()
	c, err := New(t.Context(), near, "fake.test", Options{Hello: "me", TLS: TLSRequired, TLSConfig: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	if x := c.Extensions(); x.Chunking || x.StartTLS || !x.DSN {
		t.Errorf("%+v", x)
	}
	c.Close()
	if err := <-end; err != nil {
		t.Error(err)
	}
}

func TestOpportunisticGoesOnWithoutTLS(t *testing.T) {
	t.Parallel()
	script := hello + "S 250-fake\nS 250 STARTTLS\nC STARTTLS\nS 454 not now\nE"
	if err := dialogue(t, Options{TLS: TLSOpportunistic}, script, nil); err != nil {
		t.Error(err)
	}
	wantError(t, dialogue(t, Options{TLS: TLSRequired}, script, nil), StepTLS, false)
}
