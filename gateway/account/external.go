package account

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// maxIntermediates bounds the certificates that a client may send.
const maxIntermediates = 8

// certificates tell whose a client certificate is.
type certificates struct {
	roots *x509.CertPool // nil: none
	pins  map[[sha256.Size]byte]string
}

// newCertificates reads the CAs; o may be nil.
func newCertificates(o *Certificates) (*certificates, error) {
	if o == nil {
		return nil, nil
	}
	c := &certificates{pins: map[[sha256.Size]byte]string{}}
	for _, p := range o.Pins {
		f, err := fingerprint(p.SHA256)
		if err != nil {
			return nil, fmt.Errorf("account: certificates: %w", err)
		}
		user, err := Name(p.User)
		if err != nil {
			return nil, fmt.Errorf("account: certificates: %w", err)
		}
		c.pins[f] = user
	}
	if o.CA == "" {
		return c, nil
	}
	var err error
	c.roots, err = readPool("certificates", o.CA)
	return c, err
}

// readPool reads the CA certificates of a section.
func readPool(section, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("account: %s: ca: %w", section, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("account: %s: ca: %s has no certificate", section, file)
	}
	return pool, nil
}

func fingerprint(s string) (f [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != len(f) {
		return f, errors.New("want 64 hexadecimal digits")
	}
	return [sha256.Size]byte(b), nil
}

// names returns the users that a client's certificates may be, as they are
// written there, or why they are nobody's.
func (c *certificates) names(certs []*x509.Certificate) ([]string, error) {
	if len(certs) == 0 {
		return nil, errors.New("there is none")
	}
	leaf := certs[0]
	now := time.Now()
	user, pinned := c.pins[sha256.Sum256(leaf.Raw)]
	switch {
	case pinned && !now.After(leaf.NotAfter) && !now.Before(leaf.NotBefore):
		return []string{user}, nil
	case pinned:
		return nil, fmt.Errorf("it is pinned, but valid from %s to %s", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	case c.roots == nil:
		return nil, errors.New("it is not pinned")
	}
	inter := x509.NewCertPool()
	for _, i := range certs[1:min(len(certs), maxIntermediates)] {
		inter.AddCert(i)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: inter, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, err
	}
	if len(leaf.EmailAddresses) > 0 {
		return leaf.EmailAddresses, nil
	}
	return []string{leaf.Subject.CommonName}, nil
}

// external is EXTERNAL (RFC 4422 appendix A): who the client is says its
// certificate, for whom it acts the response.
func (x *exchange) external(ctx context.Context) (Identity, error) {
	b, err := x.response(ctx)
	if err != nil {
		return Identity{}, err
	}
	x.claimed = string(b)
	if err := x.wait(ctx); err != nil {
		return Identity{}, err
	}
	names, why := x.set.certs.names(x.peer.TLS.PeerCertificates)
	for _, name := range names {
		id, err := x.vouched(ctx, name, string(b))
		if !errors.Is(err, ErrCredentials) {
			return id, err
		}
		why = errors.Join(why, err)
	}
	return Identity{}, fmt.Errorf("%w: the certificate is no user's: %w", ErrCredentials, why)
}
