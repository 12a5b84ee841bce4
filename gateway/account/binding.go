package account

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// Types of channel binding (RFC 5929, RFC 9266).
const (
	bindExporter = "tls-exporter"
	bindUnique   = "tls-unique"
	bindEndPoint = "tls-server-end-point"
)

// binding returns what a channel binding of a type is on this connection; nil:
// there is none.
func (p *Peer) binding(kind string) []byte {
	if p.TLS == nil || !p.TLS.HandshakeComplete {
		return nil
	}
	switch kind {
	case bindExporter:
		// RFC 9266 section 2. Where TLS 1.2 has no extended master secret, the
		// error is the answer.
		b, err := p.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			return nil
		}
		return b
	case bindUnique:
		if p.TLS.Version < tls.VersionTLS13 { // RFC 9266 section 3
			return p.TLS.TLSUnique
		}
	case bindEndPoint:
		return endPoint(p.Certificate)
	}
	return nil
}

// endPoint is the hash of our certificate (RFC 5929 section 4.1).
func endPoint(der []byte) []byte {
	if len(der) == 0 {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	switch c.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h := sha512.Sum384(der)
		return h[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h := sha512.Sum512(der)
		return h[:]
	case x509.PureEd25519: // it has no hash of its own, so none is defined
		return nil
	}
	h := sha256.Sum256(der)
	return h[:]
}

// bindable tells whether any channel binding is possible.
func (p *Peer) bindable() bool {
	return p.binding(bindExporter) != nil || p.binding(bindUnique) != nil || p.binding(bindEndPoint) != nil
}

// checkBinding returns the data that the client must have bound itself to.
func (x *exchange) checkBinding(h *gs2, plus bool) ([]byte, error) {
	switch {
	case plus != (h.flag == 'p'):
		return nil, malformed("SCRAM: the flag %c does not fit the mechanism", h.flag)
	case h.flag == 'y' && x.peer.bindable():
		// RFC 5802 section 6: we did offer it, somebody took it out.
		return nil, fmt.Errorf("%w: the client believes that channel binding was not offered: a downgrade", ErrCredentials)
	case !plus:
		return nil, nil
	}
	b := x.peer.binding(h.binding)
	if b == nil {
		return nil, malformed("SCRAM: channel binding %.40q is not possible here", h.binding)
	}
	return b, nil
}
