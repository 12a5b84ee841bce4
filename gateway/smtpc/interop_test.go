package smtpc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// backend is a go-smtp server's: it keeps what it gets. A local part "no" is
// refused at RCPT, "full" after the message.
type backend struct {
	mechs []string
	mu    sync.Mutex
	got   []mail
}

type mail struct {
	from string
	to   []string
	opt  gosmtp.MailOptions
	dsn  []gosmtp.RcptOptions
	text string
	user string
}

func (b *backend) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return &session{b: b}, nil
}

func (b *backend) mails() []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

type session struct {
	b    *backend
	m    mail
	user string
}

func (s *session) Reset()        { s.m = mail{} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, opt *gosmtp.MailOptions) error {
	s.m = mail{from: from, opt: *opt, user: s.user}
	return nil
}

func (s *session) Rcpt(to string, opt *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "no@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	}
	s.m.to, s.m.dsn = append(s.m.to, to), append(s.m.dsn, *opt)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.m.text = string(text)
	s.b.mu.Lock()
	s.b.got = append(s.b.got, s.m)
	s.b.mu.Unlock()
	return nil
}

func (s *session) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	if err := s.Data(r); err != nil {
		return err
	}
	for _, to := range s.m.to {
		var err error
		if strings.HasPrefix(to, "full@") {
			err = &gosmtp.SMTPError{Code: 452, EnhancedCode: gosmtp.EnhancedCode{4, 2, 2}, Message: "Full"}
		}
		status.SetStatus(to, err)
	}
	return nil
}

func (s *session) AuthMechanisms() []string { return s.b.mechs }

func (s *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "u" || password != "p" {
			return gosmtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case scramSHA256:
		return newScramServer(func() { s.user = "u" })
	case sasl.OAuthBearer:
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if o.Token != "p" {
				return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer"}
			}
			s.user = o.Username
			return nil
		}), nil
	case xoauth2:
		return &xoauth2Server{check: check}, nil
	}
	return nil, gosmtp.ErrAuthUnknownMechanism
}

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

// certificate is self-signed for name; the pool trusts it.
func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// peer starts a go-smtp server.
func peer(t testing.TB, b *backend, edit func(s *gosmtp.Server)) string {
	t.Helper()
	s := gosmtp.NewServer(b)
	s.Domain = "peer.test"
	s.EnableSMTPUTF8, s.EnableDSN, s.EnableREQUIRETLS = true, true, true
	s.MaxMessageBytes = 64 << 20
	s.ErrorLog = log.New(io.Discard, "", 0)
	if edit != nil {
		edit(s)
	}
	network, addr := "tcp", "127.0.0.1:0"
	if s.Network == "unix" {
		network, addr = "unix", t.TempDir()+"/lmtp"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if s.Addr == "implicit" {
		l = tls.NewListener(l, s.TLSConfig)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		l.Close()
		<-done
	})
	return at
}

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
