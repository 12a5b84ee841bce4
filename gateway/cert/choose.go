package cert

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"time"
)

// set is an immutable index over certificates. There is always at least one.
type set struct {
	since  time.Time
	all    []*tls.Certificate
	byName map[string][]*tls.Certificate // lower case; "*.example.org" for wildcards
}

func newSet(certs []*tls.Certificate) *set {
	s := &set{since: time.Now(), all: certs, byName: make(map[string][]*tls.Certificate)}
	for _, c := range certs {
		for _, n := range names(c.Leaf) {
			n = strings.ToLower(n)
			s.byName[n] = append(s.byName[n], c)
		}
	}
	return s
}

// names are those that a certificate is good for (RFC 6125 section 6.4.4: the
// common name counts only where there is no other).
func names(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) == 0 && leaf.Subject.CommonName != "" {
		return []string{leaf.Subject.CommonName}
	}
	return leaf.DNSNames
}

// choose takes the certificates of the client's SNI, or all when none has the
// name, and of these the first whose key the client can use. A name that is
// unknown here is no error (RFC 6066 section 3 leaves that to us): senders to a
// mail server seldom check names.
func (s *set) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	certs := s.named(strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")))
	if len(certs) == 1 {
		return certs[0]
	}
	h := *hello
	h.ServerName = "" // the name is matched already
	for _, c := range certs {
		if h.SupportsCertificate(c) == nil {
			return c
		}
	}
	return certs[0]
}

func (s *set) named(name string) []*tls.Certificate {
	if c := s.byName[name]; c != nil {
		return c
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if c := s.byName["*."+rest]; c != nil {
			return c
		}
	}
	return s.all
}
