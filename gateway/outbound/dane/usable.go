package dane

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Certificate usages (RFC 7218 section 2.1).
const (
	PKIXTA uint8 = iota
	PKIXEE
	DANETA
	DANEEE
)

// Selectors (RFC 7218 section 2.2).
const (
	Cert uint8 = iota
	SPKI
)

// Matching types (RFC 7218 section 2.3).
const (
	Full uint8 = iota
	SHA2256
	SHA2512
)

// maxData bounds the association data of a record.
const maxData = 16 << 10

// Usability returns nil for a TLSA record that SMTP can use, or why it cannot
// (RFC 7672 section 3.1, RFC 6698 section 4.1).
func Usability(r dns.TLSA) error {
	switch {
	case r.Usage == PKIXTA || r.Usage == PKIXEE:
		return fmt.Errorf("usage %d is not for SMTP (RFC 7672 section 3.1.3)", r.Usage)
	case r.Usage > DANEEE:
		return fmt.Errorf("unknown usage %d", r.Usage)
	case r.Selector > SPKI:
		return fmt.Errorf("unknown selector %d", r.Selector)
	case r.MatchingType > SHA2512:
		return fmt.Errorf("unknown matching type %d", r.MatchingType)
	}
	return checkData(r)
}

// checkData tells whether the association data can be what it says it is.
func checkData(r dns.TLSA) error {
	switch {
	case r.MatchingType == SHA2256 && len(r.Data) != sha256.Size,
		r.MatchingType == SHA2512 && len(r.Data) != sha512.Size:
		return fmt.Errorf("%d octets are no digest of matching type %d", len(r.Data), r.MatchingType)
	case r.MatchingType != Full:
		return nil
	case len(r.Data) == 0 || len(r.Data) > maxData:
		return errors.New("no data, or too much")
	}
	var err error
	if r.Selector == Cert {
		if _, perr := x509.ParseCertificate(r.Data); perr != nil {
			_, err = spki(r.Data)
		}
	} else {
		err = checkKey(r.Data)
	}
	if err != nil {
		return fmt.Errorf("the data is malformed: %w", err)
	}
	return nil
}

// checkKey tells whether data is a SubjectPublicKeyInfo, of whatever
// algorithm (RFC 5280 section 4.1).
func checkKey(data []byte) error {
	var key struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(data, &key)
	if err == nil && (len(rest) > 0 || !isSequence(key.Algorithm)) {
		err = errors.New("not a key")
	}
	return err
}

// strongest drops the records that a stronger digest of the same usage and
// selector makes superfluous (RFC 7671 section 9); all are usable.
func strongest(records []dns.TLSA) []dns.TLSA {
	var best [DANEEE + 1][SPKI + 1]uint8
	for _, r := range records {
		best[r.Usage][r.Selector] = max(best[r.Usage][r.Selector], r.MatchingType)
	}
	list := make([]dns.TLSA, 0, len(records))
	for _, r := range records {
		if r.MatchingType == Full || r.MatchingType == best[r.Usage][r.Selector] {
			list = append(list, r)
		}
	}
	return list
}

// Text returns a record as it is written in zone files and reports.
func Text(r dns.TLSA) string {
	return fmt.Sprintf("%d %d %d %X", r.Usage, r.Selector, r.MatchingType, r.Data)
}
