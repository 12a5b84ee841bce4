package dnslist

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Pattern is a set of answers: for each octet the values that it may have.
type Pattern [4]octets

// octets is a set of octets.
type octets [4]uint64

func (s *octets) add(from, to int) {
	for i := from; i <= to; i++ {
		s[i>>6] |= 1 << (i & 63)
	}
}

func (s *octets) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

// Match reports whether ip, an IPv4 address, is of the set.
func (p *Pattern) Match(ip netip.Addr) bool {
	a := ip.As4()
	return p[0].has(a[0]) && p[1].has(a[1]) && p[2].has(a[2]) && p[3].has(a[3])
}

// ParsePattern reads an address, one with octets like [4-7] or [2;10..11] as
// Postfix has them, or a network.
func ParsePattern(s string) (p Pattern, err error) {
	if prefix, err := netip.ParsePrefix(s); err == nil && prefix.Addr().Is4() {
		return network(prefix).checked(s)
	}
	parts := strings.Split(s, ".")
	if strings.Contains(s, "..") {
		parts = strings.Split(strings.ReplaceAll(s, "..", "-"), ".")
	}
	if len(parts) != 4 {
		return p, fmt.Errorf("code %q is no IPv4 address or network", s)
	}
	for i, part := range parts {
		if err := p[i].parse(part); err != nil {
			return p, fmt.Errorf("code %q: %w", s, err)
		}
	}
	return p.checked(s)
}

func (p Pattern) checked(s string) (Pattern, error) {
	if !p[0].has(127) {
		return p, fmt.Errorf("code %q: lists answer with addresses in 127.0.0.0/8", s)
	}
	return p, nil
}

func (s *octets) parse(part string) error {
	inner, ok := strings.CutPrefix(part, "[")
	if ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return fmt.Errorf("[ without ]")
		}
	}
	for _, item := range strings.FieldsFunc(inner, func(r rune) bool { return ok && (r == ';' || r == ',') }) {
		from, to, isRange := strings.Cut(item, "-")
		if !isRange || !ok {
			from, to = item, item
		}
		a, err1 := strconv.ParseUint(from, 10, 8)
		b, err2 := strconv.ParseUint(to, 10, 8)
		if err1 != nil || err2 != nil || a > b {
			return fmt.Errorf("%q is no octet or range of octets", item)
		}
		s.add(int(a), int(b))
	}
	if *s == (octets{}) {
		return fmt.Errorf("an octet is missing")
	}
	return nil
}

// network is the pattern of all addresses in p.
func network(p netip.Prefix) (out Pattern) {
	a, bits := p.Masked().Addr().As4(), p.Bits()
	for i := range out {
		free := min(max(8*(i+1)-bits, 0), 8)
		out[i].add(int(a[i]), int(a[i])+1<<free-1)
	}
	return out
}
