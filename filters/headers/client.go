package headers

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxPTR bounds the names of an address that are looked at, as RFC 7208
// section 4.6.4 does.
const maxPTR = 10

// client looks for the name of the client's address (RFC 8601 section 3).
func (f *Filter) client(ctx context.Context, s *gateway.Session) gateway.Verdict {
	ip := s.Remote.Addr().Unmap().WithZone("")
	if !ip.IsValid() {
		return gateway.Verdict{}
	}
	result, name, names := f.fcrdns(ctx, ip)
	iprev := result
	if result == "none" {
		iprev = "permerror" // RFC 8601 section 2.7.3: no PTR data are published
	}
	return gateway.Verdict{
		Facts: []gateway.Fact{
			{Name: "headers.fcrdns", Value: result},
			{Name: "headers.client_name", Value: name},
			{Name: "headers.ptr", Value: names},
		},
		Results: []message.AuthResult{{
			Method: "iprev", Result: iprev,
			Props: []message.AuthProp{{Type: "policy", Name: "iprev", Value: ip.String()}},
		}},
	}
}

// fcrdns looks up the names of ip, and all their addresses at once. name is
// the first of them that has ip.
func (f *Filter) fcrdns(ctx context.Context, ip netip.Addr) (result, name string, names []string) {
	claimed, _, err := dns.LookupPTR(ctx, f.resolver, ip)
	switch {
	case dns.IsNotFound(err):
		return "none", "", nil
	case err != nil:
		return "temperror", "", nil
	}
	for _, n := range claimed {
		if len(names) < maxPTR && smtp.CheckDomain(n, smtp.Underscore) == nil && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	found := make([]string, len(names))
	last := len(names) - 1 // it is looked up here
	var wg sync.WaitGroup
	for i := range max(last, 0) {
		wg.Go(func() { found[i] = f.has(ctx, names[i], ip) })
	}
	if last >= 0 {
		found[last] = f.has(ctx, names[last], ip)
	}
	wg.Wait()
	if i := slices.Index(found, "match"); i >= 0 {
		return "pass", names[i], names
	}
	if slices.Contains(found, "temperror") {
		return "temperror", "", names
	}
	return "fail", "", names
}

// has looks for ip among the addresses of name: match, other, none or
// temperror.
func (f *Filter) has(ctx context.Context, name string, ip netip.Addr) string {
	lookup := dns.LookupA
	if ip.Is6() {
		lookup = dns.LookupAAAA
	}
	ips, _, err := lookup(ctx, f.resolver, name)
	switch {
	case dns.IsNotFound(err):
		return "none"
	case err != nil:
		return "temperror"
	case slices.ContainsFunc(ips, func(a netip.Addr) bool { return a.Unmap() == ip }):
		return "match"
	}
	return "other"
}
