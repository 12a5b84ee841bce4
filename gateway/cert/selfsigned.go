package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	selfSignedFile = "self-signed.pem" // certificate and key, so that they cannot disagree
	validity       = 365 * 24 * time.Hour
	renewBefore    = 30 * 24 * time.Hour // of the end of the validity
	backdate       = time.Hour           // for clients whose clock is slow
)

// selfSigned is the source of the certificate that we make ourselves.
type selfSigned struct {
	path string
	dns  []string
	ips  []net.IP
	due  time.Time // when the one that was loaded is renewed
}

func newSelfSigned(opt Options) *selfSigned {
	s := &selfSigned{path: filepath.Join(opt.Dir, selfSignedFile)}
	for _, n := range append([]string{opt.Hostname}, opt.Names...) {
		if ip := net.ParseIP(n); ip != nil {
			s.ips = append(s.ips, ip)
		} else if n != "" && !slices.Contains(s.dns, n) {
			s.dns = append(s.dns, n)
		}
	}
	return s
}

func (s *selfSigned) state() string {
	st := fileState(s.path)
	if time.Now().After(s.due) {
		st += "due"
	}
	return st
}

// load reads the certificate, or makes a new one when there is none that is
// still good for the names.
func (s *selfSigned) load() ([]*tls.Certificate, string, error) {
	c, err := loadPair(Pair{s.path, s.path})
	if err != nil || !s.good(c.Leaf) {
		if c, err = s.renew(); err != nil {
			return nil, "", err // tried again at the next look
		}
	}
	s.due = c.Leaf.NotAfter.Add(-renewBefore)
	return []*tls.Certificate{c}, s.state(), nil
}

func (s *selfSigned) good(leaf *x509.Certificate) bool {
	now := time.Now()
	return slices.Equal(leaf.DNSNames, s.dns) &&
		slices.EqualFunc(leaf.IPAddresses, s.ips, net.IP.Equal) &&
		!now.Before(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-renewBefore))
}

func (s *selfSigned) renew() (*tls.Certificate, error) {
	if len(s.dns) == 0 && len(s.ips) == 0 {
		return nil, errors.New("cert: a self-signed certificate needs a host name")
	}
	data, err := s.make()
	if err != nil {
		return nil, fmt.Errorf("cert: self-signed: %w", err)
	}
	if err := writeFile(s.path, data); err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	return loadPair(Pair{s.path, s.path})
}

func (s *selfSigned) make() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Gapura, self-signed"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              s.dns,
		IPAddresses:           s.ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(data, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})...), nil
}

// writeFile puts data in place whole or not at all; only the owner may read it.
func writeFile(name string, data []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".self-signed-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(f.Name())))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
