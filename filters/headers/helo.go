package headers

import (
	"context"
	"net/netip"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// helo judges the client's name for itself. Users, their programs and our own
// networks may say what they like.
func (f *Filter) helo(ctx context.Context, s *gateway.Session) gateway.Verdict {
	if s.User != "" || s.Relay || s.LMTP() || strings.HasPrefix(s.Listener, "submission") {
		return gateway.Verdict{}
	}
	client := s.Remote.Addr().Unmap().WithZone("")
	form, found := heloForm(s.Helo, client), ""
	if form == "ok" && !strings.HasPrefix(s.Helo, "[") || form == "unqualified" {
		found = f.heloDNS(ctx, s.Helo, client)
	}
	return gateway.Verdict{Facts: []gateway.Fact{
		{Name: "headers.helo", Value: form},
		{Name: "headers.helo_dns", Value: found},
		{Name: "headers.helo_forged", Value: found != "match" && f.ours(s, client)},
	}}
}

// heloForm judges the form of HELO's argument (RFC 5321 section 4.1.3 and
// 4.1.1.1). Underscores are let pass: many hosts have them.
func heloForm(helo string, client netip.Addr) string {
	if strings.HasPrefix(helo, "[") {
		ip, ok := smtp.ParseLiteral(helo)
		switch {
		case !ok:
			return "invalid"
		case ip.Unmap() != client:
			return "literal-mismatch"
		}
		return "ok"
	}
	if _, bare := address(helo); bare {
		return "ip"
	}
	name := strings.TrimSuffix(helo, ".")
	switch {
	case smtp.CheckDomain(name, smtp.Underscore) != nil || allDigits(name[strings.LastIndexByte(name, '.')+1:]):
		return "invalid"
	case !strings.Contains(name, "."):
		return "unqualified"
	}
	return "ok"
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// heloDNS looks the name up: its address first, and where there is none, a
// mail exchanger.
func (f *Filter) heloDNS(ctx context.Context, helo string, client netip.Addr) string {
	name, err := smtp.ASCIIDomain(helo)
	if err != nil {
		return "none"
	}
	ips, _, err := dns.LookupIP(ctx, f.resolver, name)
	if dns.IsNotFound(err) {
		_, _, err = dns.LookupMX(ctx, f.resolver, name)
	}
	switch {
	case dns.IsNotFound(err):
		return "none"
	case err != nil:
		return "temperror"
	}
	for _, ip := range ips {
		if ip.Unmap() == client {
			return "match"
		}
	}
	return "other"
}

// ours tells whether a stranger uses a name or address of ours.
func (f *Filter) ours(s *gateway.Session, client netip.Addr) bool {
	if ip, ok := address(s.Helo); ok {
		local := s.Local.Addr().Unmap().WithZone("")
		return ip != client && (f.ownIP[ip] || ip == local)
	}
	name, err := smtp.ASCIIDomain(strings.TrimSuffix(s.Helo, "."))
	return err == nil && f.own[name]
}
