package link

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// lookup maps names as browsers do (UTS 46, non-transitional).
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false))

// setHost reads a host as browsers do and sets Host and Domain. It reports
// false for one that they refuse.
func (u *URL) setHost(s string) bool {
	if s == "" || len(s) > maxHost {
		return false
	}
	if s[0] == '[' {
		return u.setIPv6(s)
	}
	if strings.IndexByte(s, '%') >= 0 {
		if s = unescape(s); s == "" {
			return false
		}
		u.Flags |= Disguised
	}
	host, ok := u.ascii(s)
	if !ok {
		return false
	}
	host = strings.TrimRight(host, ".")
	if host == "" || len(host) > 253 {
		return false
	}
	if endsInNumber(host) {
		return u.setIPv4(host)
	}
	f := lists().facts(host)
	u.Host, u.Domain = host, f.domain
	u.Flags |= f.flags & (Private | UnknownTLD)
	return host[0] != '.' && !strings.Contains(host, "..")
}

// ascii returns s in lower case with internationalised labels in Punycode.
func (u *URL) ascii(s string) (string, bool) {
	upper, other, label := false, false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			other = true
		case 'A' <= c && c <= 'Z':
			upper = true
		case c == '.':
			label = i + 1
		case forbidden(c):
			return "", false
		case c == '-' && i == label+3 && strings.EqualFold(s[label:i+1], "xn--"):
			u.Flags |= Punycode
		}
	}
	if other {
		mapped, err := lookup.ToASCII(s)
		if !isASCII(mapped) || err != nil && mapped == "" || strings.IndexFunc(mapped, func(r rune) bool { return forbidden(byte(r)) }) >= 0 {
			return "", false
		}
		if strings.Contains(mapped, "xn--") {
			u.Flags |= Punycode
		} else {
			u.Flags |= Disguised
		}
		return mapped, true
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, true
}

// forbidden are the octets that no host may have (WHATWG URL, forbidden domain
// code points).
func forbidden(c byte) bool {
	const (
		low  = 1<<33 - 1 | 1<<'#' | 1<<'/' | 1<<':' | 1<<'<' | 1<<'>' | 1<<'?' | 1<<'%' | 1<<'"'
		high = 1<<('@'-64) | 1<<('['-64) | 1<<('\\'-64) | 1<<(']'-64) | 1<<('^'-64) | 1<<('|'-64) | 1<<('`'-64) | 1<<('{'-64) | 1<<('}'-64) | 1<<(0x7f-64)
	)
	if c < 64 {
		return uint64(low)>>c&1 != 0
	}
	return c < 128 && uint64(high)>>(c-64)&1 != 0
}

// below returns the name of one label more than suffix, or host if it is suffix.
func below(host, suffix string) string {
	if len(host) <= len(suffix)+1 {
		return host
	}
	rest := host[:len(host)-len(suffix)-1]
	return host[strings.LastIndexByte(rest, '.')+1:]
}

// suffix is the public suffix of a host name, by both parts of the list.
type suffix struct {
	n     int // octets of it
	icann bool
}

// publicSuffix is publicsuffix.PublicSuffix, which reads every host as an IP
// address first, remembered.
func publicSuffix(host string) (s string, icann bool) {
	x := lists().suffixes.get(host, findSuffix)
	return host[len(host)-x.n:], x.icann
}

func findSuffix(host string) suffix {
	s, icann := publicsuffix.PublicSuffix(host)
	return suffix{len(s), icann}
}

// Registrable returns the registrable domain of a host name by both parts of
// the public suffix list, and whether its suffix is of the private part.
func Registrable(host string) (domain string, private bool) {
	host = strings.TrimSuffix(host, ".")
	suffix, icann := publicSuffix(host)
	return below(host, suffix), !icann && strings.IndexByte(suffix, '.') >= 0
}

// Owner returns the domain that somebody registered with a registry: for
// x.someone.github.io it is github.io, where Registrable gives someone.github.io.
func Owner(host string) string {
	suffix, icann := publicSuffix(host)
	for !icann {
		i := strings.IndexByte(suffix, '.')
		if i < 0 {
			break
		}
		var outer string
		outer, icann = publicSuffix(suffix[i+1:])
		suffix = outer
	}
	return below(host, suffix)
}

func (u *URL) setIPv6(s string) bool {
	ip, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
	if err != nil || !ip.Is6() {
		return false
	}
	u.Flags |= Numeric
	if ip.Is4In6() {
		u.Flags |= Obscured
	}
	u.Host = ip.WithZone("").String()
	u.Domain = u.Host
	return true
}

// endsInNumber reports whether browsers take host for an IPv4 address.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || !isDigit(last[0]) {
		return false
	}
	if strings.HasPrefix(last, "0x") {
		return strings.Trim(last[2:], "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// setIPv4 reads one to four numbers in decimal, octal or hex; the last fills
// what octets are left.
func (u *URL) setIPv4(host string) bool {
	var n uint64
	parts := 1 + strings.Count(host, ".")
	if parts > 4 {
		return false
	}
	for i, rest := 0, host; i < parts; i++ {
		part, after, _ := strings.Cut(rest, ".")
		rest = after
		v, ok := number(part)
		if !ok {
			return false
		}
		limit := uint64(1) << 8
		if i == parts-1 {
			limit = 1 << (8 * (5 - parts))
		}
		if v >= limit {
			return false
		}
		if i == parts-1 {
			n |= v
		} else {
			n |= v << (8 * (3 - i))
		}
	}
	ip := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	u.Host = ip.String()
	u.Domain = u.Host
	u.Flags |= Numeric
	if u.Host != host || u.Flags.Has(Disguised) {
		u.Flags |= Obscured
	} else {
		u.Host, u.Domain = host, host
	}
	return true
}

func number(s string) (uint64, bool) {
	base := 10
	switch {
	case s == "":
		return 0, false
	case strings.HasPrefix(s, "0x"):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" {
		return 0, true
	}
	if s[0] == '+' || s[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// unescape decodes %XX; what is none stays.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16 {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// invisible are the characters without width that hide in targets and names.
func invisible(r rune) bool {
	return 0x200b <= r && r <= 0x200f || 0x202a <= r && r <= 0x202e || 0x2060 <= r && r <= 0x206f || r == 0xfeff
}
