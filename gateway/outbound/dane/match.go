package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// certificate is one of a chain; cert is nil when it is so odd that the
// standard library does not take it, which a DANE-EE record may not mind.
type certificate struct {
	raw, spki []byte
	cert      *x509.Certificate
}

// parse reads a certificate in DER.
func parse(der []byte) (certificate, error) {
	if cert, err := x509.ParseCertificate(der); err == nil {
		return certificate{der, cert.RawSubjectPublicKeyInfo, cert}, nil
	}
	key, err := spki(der)
	return certificate{raw: der, spki: key}, err
}

var errNoCertificate = errors.New("not a certificate")

// spki finds the SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1).
func spki(der []byte) ([]byte, error) {
	var cert, tbs, field asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &cert); err != nil || len(rest) > 0 || !isSequence(cert) {
		return nil, errNoCertificate
	}
	if _, err := asn1.Unmarshal(cert.Bytes, &tbs); err != nil || !isSequence(tbs) {
		return nil, errNoCertificate
	}
	rest, fields := tbs.Bytes, 0
	for fields < 6 { // serial, signature, issuer, validity, subject, the key
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			return nil, errNoCertificate
		}
		if fields == 0 && field.Class == asn1.ClassContextSpecific && field.Tag == 0 { // version
			continue
		}
		fields++
	}
	if !isSequence(field) {
		return nil, errNoCertificate
	}
	return field.FullBytes, nil
}

func isSequence(v asn1.RawValue) bool {
	return v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence && v.IsCompound
}

// matches tells whether a record is about the certificate.
func (c certificate) matches(r dns.TLSA) bool {
	data := c.raw
	if r.Selector == SPKI {
		data = c.spki
	}
	switch r.MatchingType {
	case Full:
		return bytes.Equal(data, r.Data)
	case SHA2256:
		sum := sha256.Sum256(data)
		return bytes.Equal(sum[:], r.Data)
	case SHA2512:
		sum := sha512.Sum512(data)
		return bytes.Equal(sum[:], r.Data)
	}
	return false
}

// Data returns what a TLSA record with the selector and matching type has for
// the certificate.
func Data(cert *x509.Certificate, selector, matching uint8) []byte {
	data := cert.Raw
	if selector == SPKI {
		data = cert.RawSubjectPublicKeyInfo
	}
	switch matching {
	case SHA2256:
		sum := sha256.Sum256(data)
		return sum[:]
	case SHA2512:
		sum := sha512.Sum512(data)
		return sum[:]
	}
	return data
}

// commonName returns the subject's last common name, "" : none.
func commonName(c *x509.Certificate) string {
	oid := asn1.ObjectIdentifier{2, 5, 4, 3}
	for i := len(c.Subject.Names) - 1; i >= 0; i-- {
		if n := c.Subject.Names[i]; n.Type.Equal(oid) {
			s, _ := n.Value.(string)
			return s
		}
	}
	return ""
}
