package dane_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
)

// signedBy makes a certificate for names that a bare key has signed.
func signedBy(t *testing.T, key *rsa.PrivateKey, algorithm x509.SignatureAlgorithm, names ...string) []byte {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: names, SignatureAlgorithm: algorithm, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	issuer := &x509.Certificate{SerialNumber: big.NewInt(1), PublicKey: key.Public()}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A key in a record vouches for what it signed by SHA-2, and for names that a
// wildcard below more than a top-level domain stands for.
func TestBareKeyVouches(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	data, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	records := []dns.TLSA{{Usage: dane.DANETA, Selector: dane.SPKI, MatchingType: dane.Full, Data: data}}
	for _, c := range []struct {
		algorithm x509.SignatureAlgorithm
		name      string
		ok        bool
	}{
		{x509.SHA256WithRSA, "mx.d.test", true},
		{x509.SHA1WithRSA, "mx.d.test", false},
		{x509.SHA256WithRSA, "*.d.test", true},
		{x509.SHA256WithRSA, "*.test", false},
		{x509.SHA256WithRSA, "*.mx.d.test", false},
	} {
		_, err := dane.Check{Records: records, Names: []string{"mx.d.test"}, Now: time.Now()}.Verify([][]byte{signedBy(t, key, c.algorithm, c.name)})
		if (err == nil) != c.ok {
			t.Errorf("%s %s: %v", c.algorithm, c.name, err)
		}
	}
	// "*.test" is not for what is right below it either.
	if _, err := (dane.Check{Records: records, Names: []string{"d.test"}, Now: time.Now()}).Verify([][]byte{signedBy(t, key, x509.SHA256WithRSA, "*.test")}); err == nil {
		t.Error("a wildcard of a whole top-level domain counts")
	}
}
