package dane

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Why a chain is not what the records say, in RFC 8460's words (section 4.3).
const (
	hostMismatch = "certificate-host-mismatch"
	expired      = "certificate-expired"
	notTrusted   = "certificate-not-trusted"
	failure      = "validation-failure"
)

// Error says why a chain failed.
type Error struct {
	result string
	reason string
}

func (e *Error) Error() string { return "dane: " + e.reason }

// TLSResult returns the result type of RFC 8460 section 4.3.
func (e *Error) TLSResult() string { return e.result }

// maxChain bounds the certificates of a chain that are looked at.
const maxChain = 32

// Check is what Verify compares a chain with.
type Check struct {
	Records []dns.TLSA
	// Names are the reference identifiers of DANE-TA (RFC 7672 section 3.2.2),
	// in lower case; the certificate must be about one of them. nil: names are
	// not compared.
	Names []string
	// EENames compares names with DANE-EE too, which proves its key to be the
	// server's by the record alone (RFC 7671 section 5.1, RFC 7672 section
	// 3.1.1): for those who mind that another server's records may name it.
	EENames bool
	Now     time.Time
}

// Verify compares a chain in DER, the server's certificate first, with
// records, of which unusable ones do not count (RFC 7671 section 5). It
// returns the depth of the certificate that matched; of a trust anchor that the
// server does not show, the depth it would have, or, of a bare key, that of the
// certificate which it signed. With DANE-EE nothing else
// counts: no name, no expiry, no signature. With DANE-TA the chain must lead to
// the anchor, be valid now, and the certificate be about one of the names. The
// error is an *Error.
func (c Check) Verify(chain [][]byte) (depth int, err error) {
	if len(chain) == 0 {
		return 0, &Error{failure, "the server showed no certificate"}
	}
	chain = chain[:min(len(chain), maxChain)]
	usable := make([]dns.TLSA, 0, len(c.Records))
	for _, r := range c.Records[:min(len(c.Records), maxRecords)] {
		if Usability(r) == nil {
			usable = append(usable, r)
		}
	}
	if len(usable) == 0 {
		return 0, &Error{"tlsa-invalid", "no TLSA record is usable"}
	}
	usable = strongest(usable)
	certs := make([]certificate, len(chain))
	for i, der := range chain {
		if certs[i], err = parse(der); err != nil && i == 0 {
			return 0, &Error{failure, "the server's certificate is malformed"}
		}
	}
	for _, r := range usable {
		if r.Usage == DANEEE && certs[0].matches(r) {
			return 0, c.name(certs[0].cert, c.EENames)
		}
	}
	return c.anchored(certs, usable)
}

// anchored looks for a chain to a trust anchor (RFC 7672 section 3.1.2).
func (c Check) anchored(certs []certificate, records []dns.TLSA) (int, error) {
	if certs[0].cert == nil {
		return 0, &Error{failure, "the server's certificate is malformed"}
	}
	p := newPath(certs)
	for _, r := range records {
		if r.Usage == DANETA {
			p.anchor(r)
		}
	}
	if p.anchors == 0 {
		return 0, &Error{notTrusted, "no certificate of the chain matches a TLSA record"}
	}
	depth, err := p.verify(c.Now)
	if err != nil {
		return 0, newError(err)
	}
	return depth, c.name(certs[0].cert, true)
}

// name tells whether the certificate is for one of the names, where that
// counts.
func (c Check) name(cert *x509.Certificate, counts bool) error {
	if !counts || c.Names == nil || cert != nil && covers(cert, c.Names) {
		return nil
	}
	return &Error{hostMismatch, "the certificate is not for " + strings.Join(c.Names, " or ")}
}

// newError finds the word for an error of x509.
func newError(err error) *Error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return &Error{expired, err.Error()}
	}
	return &Error{notTrusted, err.Error()}
}

// Config returns a TLS configuration for a connection to the host, made of
// base (nil: the defaults): with Usable the handshake fails, with an *Error
// inside, unless the server is the one that the records mean; with Unusable
// any certificate will do. Do not use it with None.
func (s *Set) Config(base *tls.Config) *tls.Config {
	cfg := base.Clone()
	if cfg == nil {
		cfg = new(tls.Config)
	}
	cfg.ServerName = s.Base
	cfg.InsecureSkipVerify = true // VerifyConnection does what DANE asks
	cfg.VerifyConnection = nil
	if s.Status == Usable {
		cfg.VerifyConnection = s.VerifyConnection
	}
	return cfg
}

// VerifyConnection implements the function of that name in tls.Config.
func (s *Set) VerifyConnection(cs tls.ConnectionState) error {
	chain := make([][]byte, len(cs.PeerCertificates))
	for i, c := range cs.PeerCertificates {
		chain[i] = c.Raw
	}
	_, err := Check{Records: s.usable(), Names: s.Names, Now: time.Now()}.Verify(chain)
	return err
}

// covers tells whether the certificate is for one of the names: a DNS name of
// its subjectAltName, or, when there is none, its common name (RFC 7672
// section 3.2.3).
func covers(c *x509.Certificate, names []string) bool {
	ids := c.DNSNames
	if len(ids) == 0 {
		ids = []string{commonName(c)}
	}
	for _, id := range ids {
		for _, name := range names {
			if nameMatches(id, name) {
				return true
			}
		}
	}
	return false
}

// nameMatches compares a presented identifier with a name in lower case. A
// wildcard stands for the whole first label only.
func nameMatches(id, name string) bool {
	id, ok := dns.Normal(id)
	if !ok {
		return false
	}
	if rest, wild := strings.CutPrefix(id, "*."); wild {
		_, parent, ok := strings.Cut(name, ".")
		return ok && strings.Contains(rest, ".") && parent == rest
	}
	return id == name
}

// String describes the check that a connection passed, for logs.
func (s *Set) String() string { return fmt.Sprintf("DANE %s, %d records", s.Status, len(s.Records)) }
