package smtpc

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"
)

type loginServer struct {
	check func(user, password string) error
	user  string
	step  int
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("User Name\x00"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password\x00"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

type xoauth2Server struct {
	check func(user, password string) error
}

func (x *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if len(response) == 0 {
		return nil, false, gosmtp.ErrAuthFailed
	}
	user, rest, _ := strings.Cut(strings.TrimPrefix(string(response), "user="), "\x01auth=Bearer ")
	if x.check(user, strings.TrimRight(rest, "\x01")) != nil {
		return []byte(`{"status":"401"}`), false, nil
	}
	return nil, true, nil
}

type scramServer struct {
	conv *scram.ServerConversation
	ok   func()
}

func newScramServer(ok func()) (sasl.Server, error) {
	client, err := scram.SHA256.NewClient("u", "p", "")
	if err != nil {
		return nil, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "saltsalt", Iters: 4096})
	if err != nil {
		return nil, err
	}
	srv, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
	if err != nil {
		return nil, err
	}
	return &scramServer{srv.NewConversation(), ok}, nil
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	if s.conv.Done() {
		s.ok()
		return nil, true, nil
	}
	next, err := s.conv.Step(string(response))
	if err != nil {
		return nil, false, gosmtp.ErrAuthFailed
	}
	return []byte(next), false, nil
}

func TestAuthMechanisms(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t, "peer.test")
	for _, mech := range []string{sasl.Plain, sasl.Login, scramSHA256, sasl.OAuthBearer, xoauth2} {
		for _, password := range []string{"p", "wrong"} {
			t.Run(mech+" "+password, func(t *testing.T) {
				t.Parallel()
				b := &backend{mechs: []string{mech}}
				addr := peer(t, b, func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} })
				a := &Auth{User: "u", Password: password}
				if mech == sasl.OAuthBearer || mech == xoauth2 {
					a = &Auth{User: "u", Token: password}
				}
				c, err := Dial(t.Context(), "tcp", addr, Options{TLS: TLSRequired, TLSConfig: &tls.Config{RootCAs: pool, ServerName: "peer.test"}, Auth: a})
				if password != "p" {
					wantError(t, err, StepAuth, false)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Send(t.Context(), envelope("b"), text("\r\n")); err != nil || b.mails()[0].user != "u" {
					t.Error(b.mails(), err)
				}
			})
		}
	}
}

func TestNoAuthInPlaintextUnlessAllowed(t *testing.T) {
	t.Parallel()
	b := &backend{mechs: []string{sasl.Plain}}
	addr := peer(t, b, func(s *gosmtp.Server) { s.AllowInsecureAuth = true })
	_, err := Dial(t.Context(), "tcp", addr, Options{Auth: &Auth{User: "u", Password: "p"}})
	wantError(t, err, StepAuth, false)
	if !errors.Is(err, ErrPlainAuth) {
		t.Error(err)
	}
	c, err := Dial(t.Context(), "tcp", addr, Options{Auth: &Auth{User: "u", Password: "p", InPlaintext: true}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, err = Dial(t.Context(), "tcp", addr, Options{Auth: &Auth{User: "u", Password: "p", InPlaintext: true, Mechanism: scramSHA256}})
	if !errors.Is(err, ErrNoAuth) {
		t.Error(err)
	}
}

func TestEndlessAuth(t *testing.T) {
	t.Parallel()
	script := hello + "S 250-fake\nS 250 AUTH XOAUTH2\nC AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHABAQ==\nS 334 \n" + strings.Repeat("C \nS 334 \n", maxAuthSteps) + "E"
	script = strings.ReplaceAll(script, "C \n", "C\n")
	err := dialogue(t, Options{Auth: &Auth{User: "u", Token: "p", InPlaintext: true}}, script, nil)
	wantError(t, err, StepAuth, false)
}
