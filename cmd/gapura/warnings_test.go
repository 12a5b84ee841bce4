package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/config"
)

// TestCertificatesAreChecked: config check tells of those that clients refuse.
func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	until := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	writeCertificate(t, dir, until, "mx.a.test")
	for _, c := range []struct{ host, day, want string }{
		{"mx.a.test", "2025-12-31", ""},
		{"mx.a.test", "2026-01-02", "g.yaml:3:33: the certificate has expired on 2026-01-01 (others cannot be sure to talk to this gateway)"},
		{"mx.b.test", "2025-12-31", "g.yaml:3:33: no certificate is for the host name mx.b.test: "},
	} {
		text := "hostname: " + c.host + "\nlisteners: [{protocol: submission, address: \":587\"}]\ntls: {mode: files, certificate: cert.pem, key: key.pem}\n"
		cfg, err := config.Parse(filepath.Join(dir, "g.yaml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.Parse(time.DateOnly, c.day)
		var got string
		for _, w := range certWarnings(cfg, now) {
			got += strings.TrimPrefix(w.Error(), dir+"/")
		}
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s on %s: %q", c.host, c.day, got)
		}
	}
}

// TestKeysOthersCanRead: config check tells of each file of a private key.
func TestKeysOthersCanRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"tls.key", "seal.key", "dkim.key", "private.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Parse(filepath.Join(dir, "g.yaml"), []byte(`tls: {mode: files, certificate: cert.pem, key: tls.key}
filters:
  - arc: {seal: {domain: example.org, selector: a, key: seal.key}}
signing:
  keys:
    - {domain: example.org, selector: s1, key: private.key}
    - {domain: example.org, selector: s2, key: dkim.key}
`))
	if err != nil {
		t.Fatal(err)
	}
	if list := keyWarnings(cfg); len(list) > 0 {
		t.Errorf("%v", list)
	}
	for _, name := range []string{"tls.key", "seal.key", "dkim.key"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, w := range keyWarnings(cfg) {
		got = append(got, strings.ReplaceAll(w.Error(), dir+"/", ""))
	}
	if want := []string{
		"g.yaml:1:48: tls.key: everybody on this machine can read the private key (chmod 600)",
		"g.yaml:3:5: seal.key: everybody on this machine can read the private key (chmod 600)",
		"g.yaml:7:48: dkim.key: everybody on this machine can read the private key (chmod 600)",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func writeCertificate(t *testing.T, dir string, until time.Time, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.AddDate(-1, 0, 0), NotAfter: until, DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
