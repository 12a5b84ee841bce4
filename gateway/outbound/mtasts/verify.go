package mtasts

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Error says why a server's certificate failed, whoever wanted it checked, or
// why there is no policy.
type Error struct {
	result string
	err    error
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// TLSResult returns the result type of RFC 8460 section 4.3.
func (e *Error) TLSResult() string { return e.result }

// Config returns a TLS configuration for a connection to host, an MX host name,
// made of base (nil: the defaults): the handshake fails, with an *Error
// inside, unless the certificate is valid, leads to one of roots (nil: the
// system's) and is for the host (RFC 8461 section 4.2).
func Config(base *tls.Config, host string, roots *x509.CertPool) *tls.Config {
	cfg := base.Clone()
	if cfg == nil {
		cfg = new(tls.Config)
	}
	cfg.ServerName = host
	cfg.InsecureSkipVerify = true // so that the error is ours
	cfg.VerifyConnection = func(cs tls.ConnectionState) error { return Verify(cs, host, roots) }
	return cfg
}

// Verify checks the certificate of a connection to host (RFC 8461 section
// 4.2). The error is an *Error.
func Verify(cs tls.ConnectionState, host string, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return &Error{"validation-failure", errors.New("the server showed no certificate")}
	}
	rest := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		rest.AddCert(c)
	}
	leaf := cs.PeerCertificates[0]
	if err := leaf.VerifyHostname(host); err != nil {
		return &Error{"certificate-host-mismatch", err}
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, CurrentTime: time.Now()})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &Error{"certificate-expired", err}
	}
	return &Error{"certificate-not-trusted", fmt.Errorf("%w", err)}
}
