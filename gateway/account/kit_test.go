package account

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

const (
	ana     = "ana@example.org"
	anaPass = "correct horse battery"
)

// testOptions are quick: no answer waits.
func testOptions() Options {
	opt := DefaultOptions()
	opt.Iterations = MinIterations
	opt.Throttle.Answer, opt.Throttle.Delay = 0, 0
	return opt
}

// openDB opens the database in dir.
func openDB(t testing.TB, dir string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir), Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// openWith opens accounts with one user, ana.
func openWith(t testing.TB, opt Options) *Accounts {
	t.Helper()
	a, err := Open(context.Background(), opt, Deps{DB: openDB(t, t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.AddUser(context.Background(), User{Name: ana, Display: "Ana"}, anaPass); err != nil {
		t.Fatal(err)
	}
	return a
}

// peerAt is a client with TLS.
func peerAt(addr string) Peer {
	return Peer{Addr: netip.MustParseAddr(addr), TLS: &tls.ConnectionState{}, Service: "smtp"}
}

var peer = peerAt("192.0.2.1")

// noAsk is a client that answers no challenge.
func noAsk([]byte) ([]byte, error) { return nil, errors.New("the client is gone") }

func plainResponse(authz, name, password string) []byte {
	return []byte(authz + "\x00" + name + "\x00" + password)
}

// plain logs in.
func plain(a *Accounts, p Peer, name, password string) (Identity, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	return a.Authenticate(ctx, p, "PLAIN", plainResponse("", name, password), noAsk)
}

// wantErr fails unless err wraps want, nil: is none.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func errorIs(err, want error) bool { return errors.Is(err, want) }

var insecure = &tls.Config{InsecureSkipVerify: true}

// serverPair is a certificate for 127.0.0.1 that signs itself.
func serverPair(t *testing.T) pemPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pemPair{encode("CERTIFICATE", der), encode("PRIVATE KEY", secret)}
}
