package mtasts_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
)

// A policy whose time is over counts no more, whoever keeps another from being
// fetched.
func TestExpiredPolicyIsNotUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	if got := c.Policy(t.Context(), "example.com"); got.Policy == nil {
		t.Fatalf("%+v", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	w.set("expires", time.Now().Add(-time.Second))
	w.set("refresh", time.Now().Add(time.Hour))
	w.announce("")
	if got := w.open().Policy(t.Context(), "example.com"); got.Policy != nil || got.Err != nil {
		t.Errorf("%+v", got)
	}
}

// A policy that must not be kept is not fetched for every message.
func TestPolicyOfNoAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(strings.Replace(policyText, "86400", "0", 1))
	c := w.open()
	for range 5 {
		if got := c.Policy(t.Context(), "example.com"); got.Policy == nil {
			t.Fatalf("%+v", got)
		}
	}
	if n := w.fetches(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// What a server shows must be for the host, of now, and of an authority.
func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "mx.example.com")
	old := certificate(t, now.Add(-2*time.Hour), now.Add(-time.Hour), "mx.example.com")
	wild := certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "*.example.com")
	roots := x509.NewCertPool()
	for _, c := range []tls.Certificate{good, old, wild} {
		roots.AddCert(c.Leaf)
	}
	for _, c := range []struct {
		cert  []*x509.Certificate
		host  string
		roots *x509.CertPool
		want  string
	}{
		{[]*x509.Certificate{good.Leaf}, "mx.example.com", roots, ""},
		{[]*x509.Certificate{good.Leaf}, "MX.example.com", roots, ""},
		{[]*x509.Certificate{wild.Leaf}, "mx.example.com", roots, ""},
		{[]*x509.Certificate{wild.Leaf}, "a.mx.example.com", roots, "certificate-host-mismatch"},
		{[]*x509.Certificate{wild.Leaf}, "example.com", roots, "certificate-host-mismatch"},
		{[]*x509.Certificate{good.Leaf}, "mx.other.example", roots, "certificate-host-mismatch"},
		{[]*x509.Certificate{old.Leaf}, "mx.example.com", roots, "certificate-expired"},
		{[]*x509.Certificate{good.Leaf}, "mx.example.com", x509.NewCertPool(), "certificate-not-trusted"},
		{nil, "mx.example.com", roots, "validation-failure"},
	} {
		err := mtasts.Verify(tls.ConnectionState{PeerCertificates: c.cert}, c.host, c.roots)
		var e *mtasts.Error
		if got := errors.As(err, &e); got != (c.want != "") || got && e.TLSResult() != c.want {
			t.Errorf("%s: %v, want %s", c.host, err, c.want)
		}
	}
}
