package mailauth

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
)

// Bounds of an SPF check (RFC 7208 section 4.6.4).
const (
	SPFMaxLookups     = 10               // terms that ask the DNS
	SPFMaxVoidLookups = 2                // look-ups that find nothing; SPFOptions changes it
	SPFMaxMX          = 10               // names of one MX answer; more: permerror
	SPFMaxPTR         = 10               // names of a PTR answer; the rest is ignored
	SPFTimeout        = 20 * time.Second // for the whole check; then temperror
	SPFMaxRecord      = 8 << 10          // octets of a record; longer: permerror
	SPFMaxExplanation = 500              // octets of explanation text; it is cut there
)

// SPFInput is what check_host() is asked about.
type SPFInput struct {
	IP       netip.Addr // the client; an IPv4-mapped address counts as IPv4
	Helo     string     // argument of HELO or EHLO
	MailFrom string     // reverse-path without brackets, unquoted; "" : null
	Receiver string     // our host name, for %{r} in explanations
	Now      time.Time  // for %{t} in explanations
}

// SPFOptions changes what the RFC lets receivers choose.
type SPFOptions struct {
	MaxVoidLookups int // 0: SPFMaxVoidLookups; below 0: none is allowed
}

// SPFResult is the outcome of one check.
type SPFResult struct {
	Result      Result // None, Neutral, Pass, Fail, SoftFail, TempError or PermError
	Identity    string // "mailfrom" or "helo": which one was checked
	Domain      string // the domain of that identity in A-label form, lower case; "" when it has none
	Mechanism   string // the term that matched, as published; "default" when none did; "" without a record
	Explanation string // text of the domain's owner for Fail; "" when there is none; printable US-ASCII
	Reason      string // what is wrong, for TempError, PermError and None; English, for logs
	Lookups     int    // terms that asked the DNS
	VoidLookups int
}

// CheckSPF checks the MAIL FROM identity, or the HELO identity when the
// reverse-path is null (RFC 7208 section 2.4). It asks r for no longer than
// SPFTimeout.
func CheckSPF(ctx context.Context, r dns.Resolver, in SPFInput, opt SPFOptions) SPFResult {
	if in.MailFrom == "" {
		return CheckSPFHelo(ctx, r, in, opt)
	}
	local, domain := splitSender(in.MailFrom)
	res := runSPF(ctx, r, in, opt, local, domain)
	res.Identity = "mailfrom"
	return res
}

// CheckSPFHelo checks the HELO identity (RFC 7208 section 2.3).
func CheckSPFHelo(ctx context.Context, r dns.Resolver, in SPFInput, opt SPFOptions) SPFResult {
	res := runSPF(ctx, r, in, opt, defaultLocal, in.Helo)
	res.Identity = "helo"
	return res
}

// defaultLocal stands in where there is no local part (RFC 7208 section 4.3).
const defaultLocal = "postmaster"

// splitSender splits at the last "@"; what has none is a domain.
func splitSender(s string) (local, domain string) {
	i := strings.LastIndexByte(s, '@')
	local, domain = s[:max(i, 0)], s[i+1:]
	if local == "" {
		local = defaultLocal
	}
	return local, domain
}

func runSPF(ctx context.Context, r dns.Resolver, in SPFInput, opt SPFOptions, local, domain string) SPFResult {
	name, ok := spfDomain(domain)
	if !ok {
		return SPFResult{Result: None, Reason: "not a domain name that can be looked up"}
	}
	if !in.IP.IsValid() {
		return SPFResult{Result: None, Domain: name, Reason: "no client address"}
	}
	within := deadline.After(ctx, SPFTimeout)
	defer within.Cancel()
	c := newSPFCheck(within, r, in, opt, local, name)
	out := c.checkHost(name)
	res := SPFResult{
		Result: out.result, Domain: name, Mechanism: out.mechanism, Reason: out.reason,
		Lookups: c.lookups, VoidLookups: c.voids,
	}
	if out.result == Fail {
		res.Explanation = c.explain(out)
	}
	return res
}

// spfDomain brings an identity's domain into A-label form, lower case, and
// tells whether check_host() can start with it (RFC 7208 section 4.3).
func spfDomain(s string) (string, bool) {
	s = strings.TrimSuffix(s, ".")
	if strings.HasPrefix(s, "[") || !strings.Contains(s, ".") { // an address literal, a single label
		return "", false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "", false
	}
	s, err := ASCIIDomain(s)
	if err != nil {
		return "", false
	}
	return dns.Normal(s)
}
