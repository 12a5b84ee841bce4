package dane

import (
	"bytes"
	"crypto/x509"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// path is the search for a way from the server's certificate to an anchor.
type path struct {
	certs   []certificate
	roots   *x509.CertPool
	rest    *x509.CertPool
	anchors int // in roots
}

func newPath(certs []certificate) *path {
	p := &path{certs: certs, roots: x509.NewCertPool(), rest: x509.NewCertPool()}
	for _, c := range certs[1:] {
		if c.cert != nil {
			p.rest.AddCert(c.cert)
		}
	}
	return p
}

func (p *path) add(cert *x509.Certificate) {
	p.roots.AddCert(cert)
	p.anchors++
}

// anchor takes as anchors what a DANE-TA record means: certificates of the
// chain behind the first, or what the record itself holds in full.
func (p *path) anchor(r dns.TLSA) {
	for i, c := range p.certs {
		if i > 0 && c.cert != nil && c.matches(r) {
			p.add(c.cert)
		}
	}
	if r.MatchingType != Full {
		return
	}
	if r.Selector == SPKI {
		p.anchorKey(r.Data)
		return
	}
	if cert, err := x509.ParseCertificate(r.Data); err == nil && !bytes.Equal(cert.Raw, p.certs[0].raw) {
		p.add(cert)
	}
}

// anchorKey takes a bare key as the anchor: what it has signed is trusted.
func (p *path) anchorKey(data []byte) {
	key, err := x509.ParsePKIXPublicKey(data)
	if err != nil {
		return
	}
	issuer := &x509.Certificate{PublicKey: key}
	for _, c := range p.certs {
		if c.cert == nil || weak(c.cert.SignatureAlgorithm) {
			continue
		}
		if issuer.CheckSignature(c.cert.SignatureAlgorithm, c.cert.RawTBSCertificate, c.cert.Signature) == nil {
			p.add(c.cert)
		}
	}
}

// verify searches, and returns the depth of the nearest anchor.
func (p *path) verify(now time.Time) (int, error) {
	chains, err := p.certs[0].cert.Verify(x509.VerifyOptions{
		Roots: p.roots, Intermediates: p.rest, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return 0, err
	}
	depth := maxChain
	for _, chain := range chains {
		depth = min(depth, len(chain)-1)
	}
	return depth, nil
}

// weak tells whether signatures of the algorithm prove nothing any more.
func weak(a x509.SignatureAlgorithm) bool {
	return a == x509.SHA1WithRSA || a == x509.ECDSAWithSHA1 || a == x509.MD5WithRSA
}
