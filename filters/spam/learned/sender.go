package learned

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Bounds of what one message says about senders.
const (
	// MaxLinks is how many link domains of a message have a reputation.
	MaxLinks = 12
	// maxName bounds a name in octets; what is longer has no reputation.
	maxName = 254
)

// Sender is whom reputation is of: what is known of where a message comes
// from.
type Sender struct {
	// Address is that of From. It may be empty.
	Address string
	// Aligned: SPF or DKIM passed for a domain that DMARC finds aligned with
	// that of Address. Without it nobody knows who wrote, and the counts are kept
	// apart: nobody can spoil, or borrow, the good name of a domain.
	Aligned bool
	// IP is the client's; the zero Addr: unknown.
	IP netip.Addr
	// Links are the registrable domains of links; the first MaxLinks count.
	Links []string
}

// Kinds of names, as the database has them.
const (
	kindAddress = "a:"
	kindDomain  = "d:"
	kindForged  = "f:" // a domain that nothing vouches for
	kindNetwork = "n:"
	kindLink    = "l:"
)

// names are the names of what has a reputation; "" : not known.
type names struct {
	address, domain, network string
	links                    []string
}

func (s Sender) names() (n names) {
	if a, ok := normalAddress(s.Address); ok {
		domain := a[strings.LastIndexByte(a, '@')+1:]
		if s.Aligned {
			n.address, n.domain = kindAddress+a, kindDomain+domain
		} else {
			n.domain = kindForged + domain
		}
	}
	if p, ok := network(s.IP); ok {
		n.network = kindNetwork + p.String()
	}
	for _, l := range s.Links[:min(len(s.Links), MaxLinks)] {
		if l, ok := normalName(l); ok {
			n.links = append(n.links, kindLink+l)
		}
	}
	return n
}

// all returns the names that are known, each once.
func (n names) all() []string {
	list := make([]string, 0, 3+len(n.links))
	seen := func(s string) bool {
		for _, x := range list {
			if x == s {
				return true
			}
		}
		return false
	}
	for _, s := range append([]string{n.address, n.domain, n.network}, n.links...) {
		if s != "" && !seen(s) {
			list = append(list, s)
		}
	}
	return list
}

// network returns the /24 or /48 of a client.
func network(ip netip.Addr) (netip.Prefix, bool) {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsLoopback() || ip.IsUnspecified() {
		return netip.Prefix{}, false
	}
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}

// normalAddress returns an address in lower case. Strangers write it, so what
// cannot be stored as text is none.
func normalAddress(s string) (string, bool) {
	s, ok := normalName(s)
	at := strings.LastIndexByte(s, '@')
	return s, ok && at > 0 && at < len(s)-1
}

func normalName(s string) (string, bool) {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) {
		return "", false
	}
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	for _, r := range s {
		if r <= ' ' || r == 0x7f {
			return "", false
		}
	}
	return s, s != "" && len(s) <= maxName
}

// account returns the name of an account in lower case. What would be the name of
// another layer is none.
func account(s string) (string, bool) {
	s, ok := normalName(s)
	return s, ok && s != everybody && s[0] != '@'
}
