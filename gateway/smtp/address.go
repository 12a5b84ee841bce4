package smtp

import (
	"net/netip"
	"strings"
)

// Address is a mailbox: a local part, kept unquoted, and a domain (RFC 5321
// section 4.1.2). Domain is a name in its A-label or U-label form as received,
// or an address literal with its brackets.
type Address struct {
	Local  string
	Domain string
}

// IsZero tells whether a is no address.
func (a Address) IsZero() bool { return a == Address{} }

// ReversePath is the argument of MAIL FROM; the zero value is the null
// reverse-path <>.
type ReversePath struct{ Address }

// IsNull tells whether p is <>, the sender of notifications.
func (p ReversePath) IsNull() bool { return p.IsZero() }

// ForwardPath is the argument of RCPT TO. Domain is empty for <Postmaster>.
type ForwardPath struct{ Address }

// IsPostmaster tells whether p is <Postmaster> or postmaster at any domain:
// the local part is compared without case (RFC 5321 section 4.5.1).
func (p ForwardPath) IsPostmaster() bool { return strings.EqualFold(p.Local, "postmaster") }

// String returns the address as it is written in SMTP, the local part quoted
// where it must be, without angle brackets; "" for the zero value.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	if isDotString(a.Local) {
		if a.Domain == "" {
			return a.Local
		}
		return a.Local + "@" + a.Domain
	}
	return string(a.Append(nil))
}

// Append appends what String returns.
func (a Address) Append(dst []byte) []byte {
	if a.IsZero() {
		return dst
	}
	if isDotString(a.Local) {
		dst = append(dst, a.Local...)
	} else {
		dst = append(dst, '"')
		for i := range len(a.Local) {
			c := a.Local[i]
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			if c < ' ' || c == 0x7f {
				c = '?' // no parser lets controls in; none may leave
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	if a.Domain == "" {
		return dst
	}
	dst = append(dst, '@')
	return append(dst, a.Domain...)
}

// AppendPath appends the address in angle brackets, <> for the zero value.
func (a Address) AppendPath(dst []byte) []byte {
	dst = append(dst, '<')
	dst = a.Append(dst)
	return append(dst, '>')
}

// Path returns the address in angle brackets, <> for the zero value.
func (a Address) Path() string { return string(a.AppendPath(nil)) }

// MarshalText returns what String returns.
func (a Address) MarshalText() ([]byte, error) { return a.Append(nil), nil }

// UnmarshalText reads what MarshalText wrote, non-ASCII characters included.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	if strings.EqualFold(string(text), "postmaster") {
		*a = Address{Local: string(text)}
		return nil
	}
	m, err := ParseMailbox(string(text), UTF8|Underscore)
	if err == nil {
		*a = m
	}
	return err
}

// IsASCII tells whether the address can be used without SMTPUTF8.
func (a Address) IsASCII() bool { return isASCII(a.Local) && isASCII(a.Domain) }

// LiteralIP returns the address in an address literal.
func (a Address) LiteralIP() (netip.Addr, bool) { return ParseLiteral(a.Domain) }

// Equal tells whether two addresses are the same mailbox for sure: local
// parts octet by octet, domains as EqualDomain does.
func (a Address) Equal(b Address) bool {
	return a.Local == b.Local && EqualDomain(a.Domain, b.Domain)
}

// isDotString tells whether a local part needs no quotes: Dot-string of RFC
// 5321, with the characters that RFC 6531 adds.
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c == '.' && s[i-1] == '.' {
			return false
		}
		if c != '.' && c < 0x80 && !isAtext(c) {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isAtext is atext of RFC 5322 section 3.2.3.
func isAtext(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
