package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// ErrNotPublic says that a name has only addresses that no stranger's server
// has on the Internet.
var ErrNotPublic = errors.New("no public address")

const (
	dialEach     = 15 * time.Second // one address
	dialMaxAddrs = 6                // of one name
)

// Dialer connects to servers whose names strangers chose, for HTTP: names are
// asked of Resolver, and addresses that are not public are refused, so that
// nobody makes the gateway talk to what only it can reach.
type Dialer struct {
	Resolver Resolver
	// AllowPrivate lifts the refusal, for tests and closed networks.
	AllowPrivate bool
}

// DialContext connects to host:port over TCP, one address after the other. It
// fits http.Transport.
func (d Dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := d.addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	last := fmt.Errorf("%s: %w", host, ErrNotPublic)
	tried := 0
	for _, ip := range addrs {
		if !d.AllowPrivate && !Public(ip) {
			continue
		}
		if tried++; tried > dialMaxAddrs {
			break
		}
		each := net.Dialer{Timeout: dialEach}
		conn, err := each.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

func (d Dialer) addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	addrs, _, err := LookupIP(ctx, d.Resolver, host)
	return addrs, err
}

// notPublic are the special-purpose blocks (RFC 6890 and IANA's registries)
// that netip has no method for.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// Public tells whether an address may be that of a stranger's server on the
// Internet: it is not loopback, private, link-local, multicast, reserved or
// for documentation, nor does it stand for an IPv4 address that is.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return false
		}
	}
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return Public(netip.AddrFrom4([4]byte(b[12:16])))
	case sixTo4.Contains(ip):
		return Public(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return true
}
