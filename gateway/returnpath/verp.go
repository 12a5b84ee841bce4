package returnpath

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// verpMark stands between the sender's local part and the tag.
const verpMark = "+v"

// SignVERP returns a return address that tells which recipient a bounce is
// about: local+vTAG=rcpt=rcpt.domain@domain. ok is false where there is no
// room for it, which with 64 octets is often so, and where the sender is signed
// already: what comes back to that must find its own way.
func (s *Signer) SignVERP(from, rcpt smtp.Address) (signed smtp.Address, ok bool) {
	if from.Local == "" || from.Domain == "" || !plain(from.Local) || !plain(rcpt.Local) || rcpt.Domain == "" || !rcpt.IsASCII() || strings.HasPrefix(rcpt.Domain, "[") || IsSigned(from) {
		return from, false
	}
	tag := s.tag(s.keys()[0], s.day()+s.days, "verp", from.String()+" "+rcpt.String())
	signed = smtp.Address{Local: from.Local + verpMark + tag + "=" + rcpt.Local + "=" + rcpt.Domain, Domain: from.Domain}
	if len(signed.Local) > smtp.MaxLocalPart || !plain(signed.Local) {
		return from, false
	}
	f, _, r, split := splitVERP(signed.Local)
	if !split || f != from.Local || r != rcpt {
		return from, false
	}
	return signed, true
}

// VerifyVERP returns the sender and the recipient in an address. The error is
// ErrNotSigned, ErrForged or ErrExpired.
func (s *Signer) VerifyVERP(a smtp.Address) (from, rcpt smtp.Address, err error) {
	local, tag, rcpt, ok := splitVERP(a.Local)
	if !ok {
		return a, smtp.Address{}, ErrNotSigned
	}
	from = smtp.Address{Local: local, Domain: a.Domain}
	if err := s.check(tag, "verp", from.String()+" "+rcpt.String()); err != nil {
		return a, smtp.Address{}, err
	}
	return from, rcpt, nil
}

// splitVERP takes a local part apart: at the first mark that a tag follows.
func splitVERP(s string) (local, tag string, rcpt smtp.Address, ok bool) {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], verpMark[0])
		if i < 0 || from+i+len(verpMark) > len(s) {
			return "", "", smtp.Address{}, false
		}
		at := from + i
		rest := s[at+len(verpMark):]
		if at > 0 && upper(s[at+1]) == 'V' && len(rest) > tagLength+1 && rest[tagLength] == '=' && isTag(rest[:tagLength]) {
			who := rest[tagLength+1:]
			j := strings.LastIndexByte(who, '=') // no domain has one
			if j <= 0 || j == len(who)-1 {
				return "", "", smtp.Address{}, false
			}
			return s[:at], rest[:tagLength], smtp.Address{Local: who[:j], Domain: who[j+1:]}, true
		}
		from = at + 1
	}
}

// isTag tells whether s has the form of a tag.
func isTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' && (i < 4 || c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
