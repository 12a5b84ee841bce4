package outbound

import (
	"net"
	"net/netip"
	"slices"
)

// place says of an address what keeps mail from being sent there.
type place uint8

const (
	elsewhere place = iota // nothing
	ourselves              // it is an address of this gateway
	nowhere                // no server can be there
)

// own knows where this gateway is.
type own struct {
	names     map[string]bool // lower-case ASCII
	addresses map[netip.Addr]bool
	networks  []netip.Prefix
	allow     []netip.Prefix
}

func newOwn(names []string, addresses []netip.Addr, networks, allow []netip.Prefix) *own {
	o := &own{names: map[string]bool{}, addresses: map[netip.Addr]bool{}, networks: networks, allow: allow}
	for _, n := range names {
		o.names[n] = true
	}
	for _, a := range addresses {
		o.addresses[a.Unmap()] = true
	}
	return o
}

// machineAddresses are those of the machine's interfaces. Without a list there
// is still its name to know it by.
func machineAddresses() []netip.Addr {
	var list []netip.Addr
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Addr())
		}
	}
	return list
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// place judges an address that the DNS gave.
func (o *own) place(a netip.Addr) place {
	a = a.Unmap()
	switch {
	case within(o.allow, a):
		return elsewhere
	case a.IsLoopback(), o.addresses[a], within(o.networks, a):
		return ourselves
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), within(unroutable, a):
		return nowhere
	}
	if four, ok := translated(a); ok {
		return o.place(four)
	}
	return elsewhere
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// translated returns the IPv4 address that an address stands for (RFC 6052,
// RFC 3056).
func translated(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// unroutable are networks that no server is in: "this" network, what is
// reserved with the broadcast address (RFC 6890), the discard prefix (RFC 6666),
// and what was for IPv4 addresses and sites once (RFC 4291).
var unroutable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("fec0::/10"),
}
