package dns

import (
	"net/netip"
	"strings"
)

// Bounds of names (RFC 1035 section 2.3.4).
const (
	MaxName  = 253 // octets of a name in text, without the final dot
	MaxLabel = 63  // octets of a label
)

// Normal returns name as the package compares it: lower case, without the
// final dot. It reports false for what no query can carry or that is no name
// in A-label form: an empty or over-long label or name, or an octet outside
// printable ASCII. All other octets may stand in labels, as SPF macros need
// (RFC 7208 section 7); dots always separate labels, and a backslash is an
// octet like any other.
func Normal(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if len(name) == 0 || len(name) > MaxName {
		return "", false
	}
	upper, label := false, 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return "", false
			}
			label = 0
			continue
		case c < ' ' || c > '~':
			return "", false
		case 'A' <= c && c <= 'Z':
			upper = true
		}
		if label++; label > MaxLabel {
			return "", false
		}
	}
	if label == 0 {
		return "", false
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, true
}

const hexDigits = "0123456789abcdef"

// ReverseName returns the name under in-addr.arpa or ip6.arpa that stands for
// ip (RFC 1035 section 3.5, RFC 3596 section 2.5), "" for the zero Addr.
func ReverseName(ip netip.Addr) string {
	ip = ip.Unmap()
	switch {
	case !ip.IsValid():
		return ""
	case ip.Is4():
		return ReverseLabels(ip) + ".in-addr.arpa"
	}
	return ReverseLabels(ip) + ".ip6.arpa"
}

// ReverseLabels returns the reversed octets of an IPv4 address or nibbles of
// an IPv6 address, as ReverseName and DNS lists (RFC 5782 section 2) use them.
func ReverseLabels(ip netip.Addr) string {
	ip = ip.Unmap()
	if ip.Is4() {
		a := ip.As4()
		return netip.AddrFrom4([4]byte{a[3], a[2], a[1], a[0]}).String()
	}
	if !ip.IsValid() {
		return ""
	}
	a := ip.As16()
	b := make([]byte, 0, 63)
	for i := 15; i >= 0; i-- {
		b = append(b, hexDigits[a[i]&15], '.', hexDigits[a[i]>>4], '.')
	}
	return string(b[:63])
}
