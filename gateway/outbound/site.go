package outbound

import (
	"net/netip"

	"golang.org/x/net/publicsuffix"
)

// site returns the name under which what is known of a mail exchanger is
// kept: the organisation's domain, since one operator's limits hold for all of
// its hosts.
func site(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}
