package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// keeper is a go-smtp backend that keeps what it gets; "no@" does not exist.
type keeper struct {
	mu  sync.Mutex
	got []string
}

func (k *keeper) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &keeping{k: k}, nil }

func (k *keeper) mails() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.got)
}

type keeping struct {
	k  *keeper
	to []string
}

func (s *keeping) Reset()                                 { s.to = nil }
func (s *keeping) Logout() error                          { return nil }
func (s *keeping) Mail(string, *gosmtp.MailOptions) error { s.to = nil; return nil }
func (s *keeping) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "no@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *keeping) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.k.mu.Lock()
	s.k.got = append(s.k.got, string(b))
	s.k.mu.Unlock()
	return err
}

func (s *keeping) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	if err := s.Data(r); err != nil {
		return err
	}
	for _, to := range s.to {
		var err error
		if strings.HasPrefix(to, "full@") {
			err = &gosmtp.SMTPError{Code: 452, EnhancedCode: gosmtp.EnhancedCode{4, 2, 2}, Message: "Full"}
		}
		status.SetStatus(to, err)
	}
	return nil
}

// pair writes a self-signed certificate for name to files.
func pair(t *testing.T, name string) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(certFile, certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, keyPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return cert, certFile, keyFile
}

// peer starts a go-smtp server and returns its address.
func peer(t *testing.T, k *keeper, edit func(*gosmtp.Server)) string {
	t.Helper()
	s := gosmtp.NewServer(k)
	s.Domain = "peer.test"
	s.ErrorLog = log.New(io.Discard, "", 0)
	if edit != nil {
		edit(s)
	}
	network, at := "tcp", "127.0.0.1:0"
	if s.Network == "unix" {
		network, at = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	at = l.Addr().String()
	if s.Addr == "implicit" {
		l = tls.NewListener(l, s.TLSConfig)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); l.Close(); <-done })
	return at
}

func live(t *testing.T, opt Options) *Group {
	t.Helper()
	g, err := New("y.test", opt, Deps{Hello: "me.test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestGoSMTPAsBackend(t *testing.T) {
	t.Parallel()
	cert, ca, _ := pair(t, "mail.test")
	mine, myCert, myKey := pair(t, "gate.test")
	trust := x509.NewCertPool()
	trust.AddCert(mine.Leaf)
	secure := func(s *gosmtp.Server) {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, ClientCAs: trust}
	}
	topt := TLSOptions{Name: "mail.test", CA: ca, Certificate: myCert, Key: myKey}
	for scheme, edit := range map[string]func(*gosmtp.Server){
		"smtp":          nil,
		"smtp+starttls": secure,
		"smtps":         func(s *gosmtp.Server) { secure(s); s.Addr = "implicit" },
		"lmtp":          func(s *gosmtp.Server) { s.LMTP = true },
		"lmtp+starttls": func(s *gosmtp.Server) { secure(s); s.LMTP = true },
		"lmtp+unix":     func(s *gosmtp.Server) { s.LMTP = true; s.Network = "unix" },
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			k := &keeper{}
			g := live(t, Options{Backends: []string{scheme + "://" + peer(t, k, edit)}, TLS: topt})
			if r := verify(t, g, "a", "b"); r.Code != 250 {
				t.Fatal(r)
			}
			want(t, verify(t, g, "a", "no"), 550, smtp.EnhancedCode{5, 1, 1})
			if r := verify(t, g, "a", "full"); r.Code != 250 {
				t.Fatal(r)
			}
			rs := commit(t, g, copyTo("a", "b", "full"))
			if strings.HasPrefix(scheme, "lmtp") {
				want(t, rs[1], 452, smtp.EnhancedCode{4, 2, 2})
			} else {
				want(t, rs[1], 250, took)
			}
			want(t, rs[0], 250, took)
			if r := commit(t, g, copyTo("a", "b"))[0]; r.Code != 250 {
				t.Error(r)
			}
			want(t, commit(t, g, copyTo("a", "b", "no"))[0], 451, smtp.EnhancedCode{4, 3, 0})
			if k.mails() != 2 || k.got[0] != "Subject: x\r\n\r\nHello.\r\n" {
				t.Errorf("%q", k.got)
			}
			if s := g.Status()[0]; s.Open != 1 || s.Idle != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestTLSFailuresAreDeferrals(t *testing.T) {
	t.Parallel()
	cert, ca, _ := pair(t, "mail.test")
	no := false
	plain := peer(t, &keeper{}, nil)
	secure := peer(t, &keeper{}, func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} })
	for name, tt := range map[string]struct {
		url  string
		opt  TLSOptions
		code int
	}{
		"no STARTTLS":   {"smtp+starttls://" + plain, TLSOptions{}, 451},
		"unknown CA":    {"smtp+starttls://" + secure, TLSOptions{Name: "mail.test"}, 451},
		"other name":    {"smtp+starttls://" + secure, TLSOptions{CA: ca}, 451},
		"right":         {"smtp+starttls://" + secure, TLSOptions{CA: ca, Name: "mail.test"}, 250},
		"not verified":  {"smtp+starttls://" + secure, TLSOptions{Verify: &no}, 250},
		"plain, always": {"smtp://" + secure, TLSOptions{CA: ca}, 250},
		"no AUTH":       {"smtp+starttls://u:p@" + secure, TLSOptions{Verify: &no}, 451},
	} {
		g := live(t, Options{Backends: []string{tt.url}, TLS: tt.opt})
		r := verify(t, g, "a", "b")
		c := commit(t, g, copyTo("a", "b"))[0]
		if r.Code != tt.code || c.Code != tt.code {
			t.Errorf("%s: %s, %s", name, r.Error(), c.Error())
		}
		if tt.code == 451 && (r.Enhanced != smtp.EnhancedCode{4, 7, 0} || strings.Contains(r.Text, "x509")) {
			t.Errorf("%s: %s", name, r.Error())
		}
	}
}

// Of two backends the one whose TLS does not hold is not used, whatever else
// it says.
func TestFailOverFromBadTLS(t *testing.T) {
	t.Parallel()
	cert, _, _ := pair(t, "mail.test")
	_, ca, _ := pair(t, "mail.test")
	bad, good := &keeper{}, &keeper{}
	first := peer(t, bad, func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} })
	g := live(t, Options{Backends: []string{"smtp+starttls://" + first, "smtp://" + peer(t, good, nil)}, TLS: TLSOptions{CA: ca, Name: "mail.test"}})
	want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
	if bad.mails() != 0 || good.mails() != 1 {
		t.Error(bad.mails(), good.mails())
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	g := live(t, Options{Backends: []string{"smtp://" + peer(t, k, nil)}, Connections: 4})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if r := verify(t, g, "a", "b"); r.Code != 250 {
				t.Error(r)
			}
			want(t, commit(t, g, copyTo("a", "b"))[0], 250, took)
		})
	}
	wg.Wait()
	if s := g.Status()[0]; k.mails() != 50 || s.Open > 4 || s.Open != s.Idle {
		t.Error(k.mails(), s)
	}
}
