package smtp

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// domainEnd returns the length of the longest start of s that could be a
// domain or an address literal.
func domainEnd(s string) int {
	if strings.HasPrefix(s, "[") {
		if i := strings.IndexByte(s, ']'); i >= 0 {
			return i + 1
		}
		return len(s)
	}
	for i := range len(s) {
		c := s[i]
		if c < 0x80 && !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return i
		}
	}
	return len(s)
}

// checkDomain checks a Domain or an address-literal.
func checkDomain(s string, syn Syntax) error {
	if strings.HasPrefix(s, "[") {
		if _, ok := ParseLiteral(s); !ok {
			return errLiteral
		}
		return nil
	}
	if len(s) > MaxDomain { // RFC 5321 section 4.5.3.1.2
		return errDomainLong
	}
	if isASCII(s) {
		return checkLabels(s, syn)
	}
	if strings.ContainsAny(s, "\u3002\uff0e\uff61") {
		return errIDNA // other characters that IDNA maps to a dot
	}
	for i := 0; i < len(s); {
		if s[i] < 0x80 {
			i++
			continue
		}
		n, err := utf8Len(s[i:], syn)
		if err != nil {
			return err
		}
		i += n
	}
	a, err := ASCIIDomain(s)
	if err != nil {
		return errIDNA
	}
	return checkLabels(a, syn)
}

func checkLabels(s string, syn Syntax) error {
	if len(s) > MaxDomain {
		return errDomainLong
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if c := s[i]; !isAlnum(c) && c != '-' && (c != '_' || syn&Underscore == 0) {
				return errDomain
			}
			continue
		}
		switch {
		case i == start || s[start] == '-' || s[i-1] == '-':
			return errDomain
		case i-start > 63: // RFC 1035 section 2.3.4
			return errLabelLong
		}
		start = i + 1
	}
	return nil
}

// CheckDomain tells whether s is a Domain of RFC 5321 section 4.1.2, without
// a final dot; the error is a SyntaxError.
func CheckDomain(s string, syn Syntax) error {
	if strings.HasPrefix(s, "[") {
		return errDomain
	}
	return checkDomain(s, syn)
}

// ParseLiteral parses an address-literal with its brackets: [192.0.2.1] or
// [IPv6:2001:db8::1] (RFC 5321 section 4.1.3). No other tags are registered.
func ParseLiteral(s string) (netip.Addr, bool) {
	if len(s) < 3 || s[0] != '[' || s[len(s)-1] != ']' {
		return netip.Addr{}, false
	}
	s = s[1 : len(s)-1]
	const tag = "ipv6:"
	if len(s) < len(tag) || !strings.EqualFold(s[:len(tag)], tag) {
		ip, err := netip.ParseAddr(s)
		return ip, err == nil && ip.Is4()
	}
	s = s[len(tag):]
	ip, err := netip.ParseAddr(s)
	if err != nil || !ip.Is6() || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	// "::" stands for at least two groups of zeros: IPv6-comp, IPv6v4-comp.
	if head, tail, ok := strings.Cut(s, "::"); ok && groups(head)+groups(tail) > 6 {
		return netip.Addr{}, false
	}
	return ip, true
}

// groups counts the 16-bit groups in a part of an IPv6 address.
func groups(s string) int {
	if s == "" {
		return 0
	}
	n := strings.Count(s, ":") + 1
	if strings.IndexByte(s, '.') >= 0 {
		n++
	}
	return n
}

// toASCII maps as browsers and mail programs do before a look-up (RFC 5895),
// and refuses what IDNA2008 does.
var toASCII = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.Transitional(false), idna.CheckHyphens(false))

// ASCIIDomain returns a domain as it is looked up and compared: in lower case,
// U-labels turned into A-labels (RFC 5890). A domain in lower-case ASCII is
// returned as it is, address literals in lower case.
func ASCIIDomain(s string) (string, error) {
	if isASCII(s) {
		return strings.ToLower(s), nil
	}
	a, err := toASCII.ToASCII(s)
	if err != nil {
		return "", errIDNA
	}
	return a, nil
}

// EqualDomain compares domains without case and in whichever form they are.
func EqualDomain(a, b string) bool {
	if isASCII(a) && isASCII(b) {
		return strings.EqualFold(a, b)
	}
	x, err := ASCIIDomain(a)
	if err != nil {
		return a == b
	}
	y, err := ASCIIDomain(b)
	return err == nil && x == y
}
