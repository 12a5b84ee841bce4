package acceptor

import (
	"net/netip"
	"strings"
	"testing"
)

// TestNetworksAreForgotten: the count does not grow with all that ever came.
func TestNetworksAreForgotten(t *testing.T) {
	t.Parallel()
	c := NewConnections(0, 1)
	for i := range 1000 {
		ip := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		if !c.addIP(ip) || c.addIP(ip) {
			t.Fatal(ip)
		}
		c.removeIP(ip)
	}
	if len(c.by) != 0 {
		t.Errorf("%d networks", len(c.by))
	}
}

// TestProxyHeaderBounds: to the octet.
func TestProxyHeaderBounds(t *testing.T) {
	v1 := func(n int) []byte {
		return []byte("PROXY UNKNOWN " + strings.Repeat("x", n-len("PROXY UNKNOWN \r\n")) + "\r\n")
	}
	v2 := func(n int) []byte {
		b := append(append([]byte(nil), proxySignature...), 0x20, 0, byte((n-16)>>8), byte(n-16))
		return append(b, make([]byte, n-16)...)
	}
	for _, c := range []struct {
		header []byte
		ok     bool
	}{{v1(maxProxyV1), true}, {v1(maxProxyV1 + 1), false}, {v2(maxProxyV2), true}, {v2(maxProxyV2 + 1), false}} {
		if _, n, err := parseProxy(c.header); (n == len(c.header)) != c.ok || (err == nil) != c.ok {
			t.Errorf("%d octets: %d, %v", len(c.header), n, err)
		}
	}
}
