package smtpc

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
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

// A server that does not prove by SCRAM that it knows the password, or would
// have it for little or for endless work, is told "*", and the error says what
// is wrong with it.
func TestSCRAMServersThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, final, want string }{
		"few iterations":     {"r=NONCEx,s=c2FsdHNhbHQ=,i=1", "", "too few iterations"},
		"endless iterations": {"r=NONCEx,s=c2FsdHNhbHQ=,i=4000000000", "", "wants 4000000000 iterations"},
		"overflow":           {"r=NONCEx,s=c2FsdHNhbHQ=,i=40000000000000000000", "", "wants 40000000000000000000 iterations"},
		"another nonce":      {"r=other,s=c2FsdHNhbHQ=,i=4096", "", "nonce"},
		"wrong proof":        {"r=NONCEx,s=c2FsdHNhbHQ=,i=4096", "v=AAAA", "server validation failed"},
		"an error":           {"r=NONCEx,s=c2FsdHNhbHQ=,i=4096", "e=invalid-proof", "invalid-proof"},
		"no proof":           {"r=NONCEx,s=c2FsdHNhbHQ=,i=4096", "", "did not finish SCRAM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			done := make(chan bool)
			go func() {
				defer close(done)
				distrusted(far, c.first, c.final)
			}()
			_, err := New(t.Context(), near, "fake.test", Options{Auth: &Auth{User: "u", Password: "p", InPlaintext: true}})
			e := wantError(t, err, StepAuth, false)
			if !strings.Contains(err.Error(), c.want) || !e.Reply.IsZero() {
				t.Error(err)
			}
			<-done
		})
	}
}

// distrusted is a server that begins SCRAM, whose NONCE is the client's, and
// may end it.
func distrusted(conn net.Conn, first, final string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 fake\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case verb == "EHLO":
			fmt.Fprint(conn, "250-fake\r\n250 AUTH SCRAM-SHA-256\r\n")
		case verb == "AUTH":
			b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(arg, "SCRAM-SHA-256 "))
			_, nonce, _ := strings.Cut(string(b), "r=")
			fmt.Fprintf(conn, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(strings.Replace(first, "NONCE", nonce, 1))))
		case verb == "*":
			fmt.Fprint(conn, "501 5.7.0 cancelled\r\n")
		case final == "":
			fmt.Fprint(conn, "235 2.7.0 welcome\r\n")
		default:
			fmt.Fprintf(conn, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(final)))
		}
	}
}

func TestEndlessAuth(t *testing.T) {
	t.Parallel()
	script := hello + "S 250-fake\nS 250 AUTH XOAUTH2\nC AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHABAQ==\nS 334 \n" + strings.Repeat("C \nS 334 \n", maxAuthSteps) + "E"
	script = strings.ReplaceAll(script, "C \n", "C\n")
	err := dialogue(t, Options{Auth: &Auth{User: "u", Token: "p", InPlaintext: true}}, script, nil)
	wantError(t, err, StepAuth, false)
}
