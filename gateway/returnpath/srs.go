package returnpath

import (
	"crypto/hmac"
	"encoding/base32"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// SRS as its authors describe it (M. Wong, S. Shevek: the Sender Rewriting
// Scheme): SRS0=hash=day=domain=local@forwarder, and where mail is forwarded a
// second time, SRS1=hash=first==rest@forwarder, which goes back to the first
// forwarder and not through all of them.
const (
	srs0     = "SRS0"
	srs1     = "SRS1"
	hashSize = 6 // characters of base32: 30 bits
	dayCycle = 1024
	// SRSDays is how long a rewritten address is good.
	SRSDays = 21
)

const base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

var srsBase32 = base32.NewEncoding(base32Digits).WithPadding(base32.NoPadding)

// hash returns the signature of parts.
func (s *Signer) hash(k Key, parts ...string) string {
	for i := range parts {
		parts[i] = strings.ToLower(parts[i])
	}
	sum := mac(k.Secret, append([]string{"srs"}, parts...)...)
	return srsBase32.EncodeToString(sum[:4])[:hashSize]
}

// verifyHash tells whether one of the keys made the signature.
func (s *Signer) verifyHash(hash string, parts ...string) bool {
	good := false
	for _, k := range s.keys() {
		good = hmac.Equal([]byte(s.hash(k, parts...)), []byte(strings.ToUpper(hash))) || good
	}
	return good
}

// Forward returns the envelope sender of mail that an address of domain
// forwards: bounces come to us, and SPF passes. ok is false where there is
// nothing to do (a null sender, a sender of the domain itself) or no room.
func (s *Signer) Forward(from smtp.ReversePath, domain string) (smtp.ReversePath, bool) {
	if from.IsNull() || smtp.EqualDomain(from.Domain, domain) || !from.IsASCII() || !plain(from.Local) || smtp.CheckDomain(from.Domain, smtp.Underscore) != nil {
		return from, false
	}
	local := s.srs0(from.Address)
	if first, rest, ok := splitAgain(from.Address); ok {
		local = srs1 + "=" + s.hash(s.keys()[0], first, rest) + "=" + first + "=" + rest
	}
	if len(local) > smtp.MaxLocalPart || !plain(local) {
		return from, false
	}
	return smtp.ReversePath{Address: smtp.Address{Local: local, Domain: domain}}, true
}

func (s *Signer) srs0(a smtp.Address) string {
	day := s.day() % dayCycle
	stamp := string([]byte{base32Digits[day>>5], base32Digits[day&31]})
	return srs0 + "=" + s.hash(s.keys()[0], stamp, a.Domain, a.Local) + "=" + stamp + "=" + a.Domain + "=" + a.Local
}

// splitAgain takes an address apart that another forwarder has rewritten: the
// first forwarder, and what it needs to find the sender, with the separator
// (=, + or -) in front.
func splitAgain(a smtp.Address) (first, rest string, ok bool) {
	kind, sep, body := cutSRS(a.Local)
	switch kind {
	case srs0:
		return a.Domain, sep + body, true
	case srs1:
		_, body, ok = strings.Cut(body, "=") // its hash is of no use to us
		if !ok {
			return "", "", false
		}
		first, rest, ok = strings.Cut(body, "=")
		return first, rest, ok && first != "" && rest != ""
	}
	return "", "", false
}

// cutSRS cuts the kind and the separator off.
func cutSRS(local string) (kind, sep, body string) {
	if len(local) < 6 || local[4] != '=' && local[4] != '+' && local[4] != '-' {
		return "", "", ""
	}
	switch kind = strings.ToUpper(local[:4]); kind {
	case srs0, srs1:
		return kind, local[4:5], local[5:]
	}
	return "", "", ""
}

func isSRS(local string) bool {
	kind, _, _ := cutSRS(local)
	return kind != ""
}

// Reverse returns whom a bounce to a rewritten address of ours is for: the
// sender, or the forwarder that rewrote it first. The error is ErrNotSigned,
// ErrForged or ErrExpired.
func (s *Signer) Reverse(a smtp.Address) (smtp.Address, error) {
	kind, _, body := cutSRS(a.Local)
	hash, body, ok := strings.Cut(body, "=")
	if kind == "" || !ok || len(hash) != hashSize {
		return a, ErrNotSigned
	}
	if kind == srs1 {
		return s.reverseFirst(a, hash, body)
	}
	stamp, body, ok1 := strings.Cut(body, "=")
	domain, local, ok2 := strings.Cut(body, "=")
	if !ok1 || !ok2 || len(stamp) != 2 {
		return a, ErrNotSigned
	}
	if !s.verifyHash(hash, stamp, domain, local) {
		return a, ErrForged
	}
	hi, lo := strings.IndexByte(base32Digits, upper(stamp[0])), strings.IndexByte(base32Digits, upper(stamp[1]))
	if hi < 0 || lo < 0 {
		return a, ErrNotSigned
	}
	if age := (s.day()%dayCycle - (hi<<5 | lo) + dayCycle) % dayCycle; age > SRSDays {
		return a, ErrExpired
	}
	return address(local, domain, a)
}

func (s *Signer) reverseFirst(a smtp.Address, hash, body string) (smtp.Address, error) {
	first, rest, ok := strings.Cut(body, "=")
	if !ok || first == "" || rest == "" {
		return a, ErrNotSigned
	}
	if !s.verifyHash(hash, first, rest) {
		return a, ErrForged
	}
	return address(srs0+rest, first, a)
}

// address puts an address together that must be a valid one.
func address(local, domain string, a smtp.Address) (smtp.Address, error) {
	got := smtp.Address{Local: local, Domain: domain}
	if !plain(local) || smtp.CheckDomain(domain, smtp.Underscore) != nil {
		return a, ErrNotSigned
	}
	return got, nil
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
