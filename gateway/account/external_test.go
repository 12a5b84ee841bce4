package account

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
)

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca := selfSigned(t, "CA", nil)
	issue := func(name string, emails ...string) tls.Certificate {
		return signedBy(t, name, emails, ca.Leaf, ca.PrivateKey.(*ecdsa.PrivateKey))
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, encode("CERTIFICATE", ca.Certificate[0]), 0o600))
	pinned := selfSigned(t, "whatever", nil)
	sum := sha256.Sum256(pinned.Certificate[0])
	expired := issued(t, nil, nil, &x509.Certificate{Subject: pkix.Name{CommonName: "whatever"}, NotAfter: time.Now().Add(-time.Minute)})
	old := sha256.Sum256(expired.Certificate[0])
	server := issued(t, ca.Leaf, ca.PrivateKey.(*ecdsa.PrivateKey), &x509.Certificate{Subject: pkix.Name{CommonName: ana}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	opt := testOptions()
	opt.Certificates = &Certificates{CA: file, Pins: []Pin{{"bob@example.org", hex.EncodeToString(sum[:])}, {"bob@example.org", hex.EncodeToString(old[:])}}}
	a := openWith(t, opt)
	ctx := context.Background()
	must(t, a.AddUser(ctx, User{Name: "bob@example.org"}, ""))
	must(t, a.AddUser(ctx, User{Name: "off@example.org"}, ""))
	must(t, a.SetDisabled(ctx, "off@example.org", true))
	must(t, a.Grant(ctx, "bob@example.org", ana))
	for _, c := range []struct {
		name  string
		cert  tls.Certificate
		authz string
		user  string // "" : refused
		why   string // what the log has then
	}{
		{"by rfc822Name", issue("Ana", "Ana@example.org"), "", ana, ""},
		{"by the second", issue("Ana", "nobody@example.org", ana), "", ana, ""},
		{"by common name", issue(ana), "", ana, ""},
		{"as itself", issue(ana), ana, ana, ""},
		{"pinned", pinned, "", "bob@example.org", ""},
		{"pinned, acting for another", pinned, ana, ana, ""},
		{"acting for another", issue(ana), "bob@example.org", "", "may not act"},
		{"the common name beside an address", issue(ana, "nobody@example.org"), "", "", "nobody@example.org is no user"},
		{"nobody", issue("nobody@example.org"), "", "", "nobody@example.org is no user"},
		{"disabled", issue("off@example.org"), "", "", "disabled"},
		{"no address", issue("ana"), "", "", ""},
		{"pinned, but expired", expired, "", "", "it is pinned, but valid from"},
		{"a server's", server, "", "", "incompatible key usage"},
		{"signed by itself", selfSigned(t, ana, []string{ana}), "", "", "unknown authority"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			state, _, _ := connect(t, version, &c.cert)
			p := peer
			p.TLS = &state
			if got := a.Mechanisms(p)[0]; got != "EXTERNAL" {
				t.Errorf("offered %s", got)
			}
			id, err := converse(a, p, sasl.NewExternalClient(c.authz))
			if c.user == "" {
				wantErr(t, err, ErrCredentials)
				if !strings.Contains(fmt.Sprint(err), c.why) {
					t.Errorf("%s: %v", c.name, err)
				}
			} else if err != nil || id.User != c.user {
				t.Errorf("%s: %+v, %v", c.name, id, err)
			}
		}
	}
	state, _, _ := connect(t, tls.VersionTLS13, nil)
	p := peer
	p.TLS = &state
	if got := a.Mechanisms(p)[0]; got == "EXTERNAL" {
		t.Error("EXTERNAL without a certificate")
	}
	if mode, pool := a.ClientAuth(); mode != tls.RequestClientCert || pool != nil {
		t.Error("pins: any certificate must be asked for")
	}
	opt.Certificates.Pins = nil
	must(t, a.SetOptions(opt))
	if mode, pool := a.ClientAuth(); mode != tls.RequestClientCert || pool == nil {
		t.Error("the CA is not told")
	}
	opt.Certificates = nil
	must(t, a.SetOptions(opt))
	if mode, _ := a.ClientAuth(); mode != tls.NoClientCert {
		t.Error("asked for nothing")
	}
	opt.Certificates = &Certificates{CA: "/nowhere.pem"}
	if a.SetOptions(opt) == nil {
		t.Error("a CA that is not there")
	}
	if got := fmt.Sprint(a.Mechanisms(peer)); got != "[SCRAM-SHA-256 PLAIN LOGIN]" {
		t.Errorf("after a failed change: %s", got)
	}
}

// TestOpenWithoutFile: accounts whose files are missing are nobody's to close.
func TestOpenWithoutFile(t *testing.T) {
	t.Parallel()
	for _, opt := range []Options{{LDAP: &LDAP{Servers: []string{"ldap://ldap.test"}, CA: "nowhere.pem", Base: "dc=test"}}, {Certificates: &Certificates{CA: "nowhere.pem"}}} {
		with := testOptions()
		with.LDAP, with.Certificates = opt.LDAP, opt.Certificates
		a, err := Open(context.Background(), with, Deps{DB: openDB(t, t.TempDir())})
		if a != nil || err == nil || !strings.Contains(err.Error(), "ca: open nowhere.pem") {
			t.Errorf("%v, %v", a, err)
		}
	}
}
