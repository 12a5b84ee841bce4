package dmarc

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailauth"
)

// forwarders are the servers that the administrator named: they change mail or
// send it on under the author's name, and DMARC then fails without harm.
type forwarders struct {
	networks []netip.Prefix
	domains  []string
}

// parseForwarders reads addresses, networks and domains.
func parseForwarders(list []string) (fw forwarders, err error) {
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			fw.networks = append(fw.networks, p.Masked())
			continue
		}
		if a, err := netip.ParseAddr(s); err == nil {
			a = a.Unmap().WithZone("")
			fw.networks = append(fw.networks, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		d, err := mailauth.ASCIIDomain(s)
		if err != nil || !strings.Contains(d, ".") || strings.ContainsAny(d, "*/[: \t") {
			return fw, fmt.Errorf("dmarc: forwarders: %q is no address, network or domain", s)
		}
		fw.domains = append(fw.domains, d)
	}
	return fw, nil
}

// sent tells whether one of the forwarders has sent the message: by its
// address, or by a domain that SPF, the client's verified name or a DKIM
// signature proves.
func (fw forwarders) sent(tx *gateway.Transaction) bool {
	ip := tx.Session.Remote.Addr().Unmap().WithZone("")
	for _, n := range fw.networks {
		if n.Contains(ip) {
			return true
		}
	}
	if len(fw.domains) == 0 {
		return false
	}
	f := tx.Facts
	if f.String("spf.result") == "pass" && fw.named(f.String("spf.domain")) ||
		f.String("spf.helo_result") == "pass" && fw.named(f.String("spf.helo_domain")) ||
		fw.named(f.String("headers.client_name")) {
		return true
	}
	for _, id := range identifiers(f, "dkim.domains", mailauth.Pass) {
		if fw.named(id.Domain) {
			return true
		}
	}
	return false
}

// named tells whether a domain is one of the forwarders', or below it.
func (fw forwarders) named(domain string) bool {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	for _, d := range fw.domains {
		if domain == d || strings.HasSuffix(domain, "."+d) {
			return true
		}
	}
	return false
}
