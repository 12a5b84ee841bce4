package smtpd

import (
	"net/netip"
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
