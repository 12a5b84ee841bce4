package mailauth

import (
	"net/netip"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// match tells whether the directive's mechanism matches (RFC 7208 section 5).
func (c *spfCheck) match(t *spfTerm, domain string) (bool, *spfStop) {
	switch t.kind {
	case spfAll:
		return true, nil
	case spfIP4, spfIP6:
		return t.network.Contains(c.ip), nil
	}
	if stop := c.count(); stop != nil {
		return false, stop
	}
	name, ok, stop := c.target(t.spec, domain)
	if stop != nil {
		return false, stop
	}
	if !ok {
		if t.kind == spfInclude && isASCII(name) {
			return false, permError("%s: no such name can exist", t.text)
		}
		return false, nil // RFC 8616 section 4: what has no ASCII name never matches
	}
	switch t.kind {
	case spfInclude:
		return c.matchInclude(t, name)
	case spfA:
		return c.matchAddress(t, name)
	case spfMX:
		return c.matchMX(t, name)
	case spfPTR:
		return c.matchPTR(name)
	default: // exists: an A record, whatever the client's family (section 5.7)
		rr, stop := c.lookup(name, dns.TypeA)
		return len(rr) > 0, stop
	}
}

// matchInclude: RFC 7208 section 5.2.
func (c *spfCheck) matchInclude(t *spfTerm, name string) (bool, *spfStop) {
	out := c.checkHost(name)
	switch out.result {
	case Pass:
		return true, nil
	case TempError, PermError:
		return false, &spfStop{out.result, out.reason}
	case None:
		return false, permError("%s: %s", t.text, out.reason)
	}
	return false, nil
}

// matchAddress: RFC 7208 section 5.3.
func (c *spfCheck) matchAddress(t *spfTerm, name string) (bool, *spfStop) {
	rr, stop := c.lookup(name, c.addressType())
	if stop != nil {
		return false, stop
	}
	bits := int(t.cidr6)
	if c.ip.Is4() {
		bits = int(t.cidr4)
	}
	for _, r := range rr {
		if netip.PrefixFrom(r.IP.Unmap(), bits).Contains(c.ip) {
			return true, nil
		}
	}
	return false, nil
}

func (c *spfCheck) addressType() dns.Type {
	if c.ip.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}

// matchMX: RFC 7208 section 5.4. There is no implicit MX.
func (c *spfCheck) matchMX(t *spfTerm, name string) (bool, *spfStop) {
	rr, stop := c.lookup(name, dns.TypeMX)
	if stop != nil {
		return false, stop
	}
	if len(rr) > SPFMaxMX { // section 4.6.4
		return false, permError("%s has more than %d MX records", name, SPFMaxMX)
	}
	for _, r := range rr {
		if r.Host == "" { // a null MX (RFC 7505)
			continue
		}
		if ok, stop := c.matchAddress(t, r.Host); ok || stop != nil {
			return ok, stop
		}
	}
	return false, nil
}

// matchPTR: RFC 7208 section 5.5. What goes wrong in the client's zone makes
// it not match, since the domain's owner has no say there.
func (c *spfCheck) matchPTR(target string) (bool, *spfStop) {
	names, stop := c.reverseNames()
	for _, n := range names {
		if isSubdomain(n, target) && c.confirmed(n) {
			return true, nil
		}
	}
	return false, stop
}

// reverseNames are the client's PTR names, lower case, asked for once.
func (c *spfCheck) reverseNames() ([]string, *spfStop) {
	if c.ptrAsked {
		return c.ptrNames, nil
	}
	c.ptrAsked = true
	rr, stop := c.lookup(dns.ReverseName(c.ip), dns.TypePTR)
	for _, r := range rr[:min(len(rr), SPFMaxPTR)] { // section 4.6.4
		if n, ok := dns.Normal(r.Host); ok {
			c.ptrNames = append(c.ptrNames, n)
		}
	}
	if stop != nil && stop.result == TempError {
		stop = nil
	}
	return c.ptrNames, stop
}

// confirmed tells whether the name has the client's address.
func (c *spfCheck) confirmed(name string) bool {
	if ok, asked := c.ptrValid[name]; asked {
		return ok
	}
	a, _ := c.r.Lookup(c.ctx, name, c.addressType())
	ok := false
	for _, r := range a.Records {
		ok = ok || r.IP.Unmap() == c.ip
	}
	if c.ptrValid == nil {
		c.ptrValid = make(map[string]bool, SPFMaxPTR)
	}
	c.ptrValid[name] = ok
	return ok
}

// validatedName is the value of %{p} (RFC 7208 section 7.3): the domain
// itself, else a name below it, else any confirmed name. Its PTR query is one
// of the look-ups that are counted (section 4.6.4).
func (c *spfCheck) validatedName(domain string) string {
	if !c.ptrAsked {
		if stop := c.count(); stop != nil {
			c.over = stop
			return "unknown"
		}
	}
	names, stop := c.reverseNames()
	if stop != nil {
		c.over = stop
	}
	best, rank := "unknown", 0
	for _, n := range names {
		r := 1
		switch {
		case n == domain:
			r = 3
		case isSubdomain(n, domain):
			r = 2
		}
		if r > rank && c.confirmed(n) {
			best, rank = n, r
		}
	}
	return best
}

// explain fetches and expands the text of exp= (RFC 7208 section 6.2).
// Whatever is wrong with it, there is no explanation.
func (c *spfCheck) explain(out spfOutcome) string {
	if out.exp == "" {
		return ""
	}
	c.explaining = true
	name, ok, _ := c.target(out.exp, out.domain)
	if !ok {
		return ""
	}
	a, err := c.r.Lookup(c.ctx, name, dns.TypeTXT)
	if err != nil || len(a.Records) != 1 {
		return ""
	}
	text := a.Records[0].Text
	if len(text) > SPFMaxRecord || checkExplanation(text) != nil {
		return ""
	}
	text, ok = c.expand(text, out.domain)
	if !ok || !isMacroLiteral(text, true) { // the sender's local part may bring anything
		return ""
	}
	return text[:min(len(text), SPFMaxExplanation)]
}

func checkExplanation(s string) error {
	_, err := checkMacros(s, true)
	return err
}
