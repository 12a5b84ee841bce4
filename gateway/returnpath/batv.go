package returnpath

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

const (
	batvPrefix = "prvs="
	// tagLength is that of KDDDSSSSSS: the number of the key, the day the
	// address expires modulo 1000, and six hexadecimal digits of the HMAC
	// (draft-levine-smtp-batv-01 section 4).
	tagLength = 10
)

// tag returns the tag of what is signed.
func (s *Signer) tag(k Key, day int, kind, what string) string {
	head := fmt.Sprintf("%d%03d", k.ID, day%1000)
	sum := mac(k.Secret, kind, head, strings.ToLower(what))
	return head + hex.EncodeToString(sum[:3])
}

// check verifies a tag.
func (s *Signer) check(tag, kind, what string) error {
	if len(tag) != tagLength {
		return ErrNotSigned
	}
	tag = strings.ToLower(tag)
	day := 0
	for i, c := range []byte(tag) {
		switch {
		case c >= '0' && c <= '9':
			if i > 0 && i < 4 {
				day = day*10 + int(c-'0')
			}
		case i < 4 || c < 'a' || c > 'f':
			return ErrNotSigned
		}
	}
	k, ok := s.key(int(tag[0] - '0'))
	if !ok || !hmac.Equal([]byte(s.tag(k, day, kind, what)), []byte(tag)) {
		return ErrForged
	}
	// The day is one of the next s.days, or it is over; what lies farther in
	// the future is an old one: a thousand days are a long time.
	if left := (day - s.day()%1000 + 1000) % 1000; left > s.days {
		return ErrExpired
	}
	return nil
}

// Sign returns the address that bounces about mail from a are to come back
// to: prvs=tag=local@domain. ok is false where there is no room for it, or
// the address is signed already, or cannot be told in it.
func (s *Signer) Sign(a smtp.Address) (signed smtp.Address, ok bool) {
	if a.Local == "" || a.Domain == "" || !plain(a.Local) || len(batvPrefix)+tagLength+1+len(a.Local) > smtp.MaxLocalPart || IsSigned(a) {
		return a, false
	}
	k := s.keys()[0]
	return smtp.Address{Local: batvPrefix + s.tag(k, s.day()+s.days, "batv", a.String()) + "=" + a.Local, Domain: a.Domain}, true
}

// Verify returns the address that was signed. The error is ErrNotSigned,
// ErrForged or ErrExpired.
func (s *Signer) Verify(a smtp.Address) (smtp.Address, error) {
	tag, local, ok := splitBATV(a.Local)
	if !ok {
		return a, ErrNotSigned
	}
	original := smtp.Address{Local: local, Domain: a.Domain}
	if err := s.check(tag, "batv", original.String()); err != nil {
		return a, err
	}
	return original, nil
}

// splitBATV takes a signed local part apart.
func splitBATV(local string) (tag, rest string, ok bool) {
	const head = len(batvPrefix) + tagLength
	if len(local) < head+2 || !strings.EqualFold(local[:len(batvPrefix)], batvPrefix) || local[head] != '=' {
		return "", "", false
	}
	return local[len(batvPrefix):head], local[head+1:], true
}

// IsSigned tells whether an address has one of the forms of this package,
// whoever signed it.
func IsSigned(a smtp.Address) bool {
	if _, _, ok := splitBATV(a.Local); ok {
		return true
	}
	if _, _, _, ok := splitVERP(a.Local); ok {
		return true
	}
	return isSRS(a.Local)
}

// plain tells whether a local part stands without quotes in ASCII.
func plain(local string) bool {
	a := smtp.Address{Local: local, Domain: "a.example"}
	return a.IsASCII() && a.String() == local+"@a.example"
}
