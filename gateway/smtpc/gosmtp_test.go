package smtpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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

func (s *session) Reset() { s.m = mail{} }

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
