package dnstest

import (
	"context"
	"encoding/hex"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
	wire "github.com/miekg/dns"
)

// noDeadline is for zones, which never wait.
var noDeadline = context.Background()

func header(name string, t uint16, ttl uint32) wire.RR_Header {
	return wire.RR_Header{Name: name, Rrtype: t, Class: wire.ClassINET, Ttl: ttl}
}

// records turns an answer into the answer section; a CNAME chain becomes one
// CNAME.
func records(q wire.Question, a dns.Answer) []wire.RR {
	ttl := uint32(a.TTL.Seconds())
	name := q.Name
	var list []wire.RR
	if end := fqdn(a.Name); !strings.EqualFold(a.Name, plain(name)) {
		list = append(list, &wire.CNAME{Hdr: header(name, wire.TypeCNAME, ttl), Target: end})
		name = end
	}
	for _, r := range a.Records {
		list = append(list, rr(header(name, q.Qtype, ttl), r))
	}
	return list
}

func rr(h wire.RR_Header, r dns.Record) wire.RR {
	switch dns.Type(h.Rrtype) {
	case dns.TypeA:
		return &wire.A{Hdr: h, A: r.IP.AsSlice()}
	case dns.TypeAAAA:
		return &wire.AAAA{Hdr: h, AAAA: r.IP.AsSlice()}
	case dns.TypeTXT:
		return &wire.TXT{Hdr: h, Txt: chunks(r.Text)}
	case dns.TypeMX:
		return &wire.MX{Hdr: h, Preference: r.Preference, Mx: fqdn(r.Host)}
	case dns.TypeSRV:
		return &wire.SRV{Hdr: h, Priority: r.Preference, Weight: r.Weight, Port: r.Port, Target: fqdn(r.Host)}
	case dns.TypePTR:
		return &wire.PTR{Hdr: h, Ptr: fqdn(r.Host)}
	case dns.TypeNS:
		return &wire.NS{Hdr: h, Ns: fqdn(r.Host)}
	case dns.TypeCNAME:
		return &wire.CNAME{Hdr: h, Target: fqdn(r.Host)}
	case dns.TypeTLSA:
		return &wire.TLSA{
			Hdr: h, Usage: r.TLSA.Usage, Selector: r.TLSA.Selector,
			MatchingType: r.TLSA.MatchingType, Certificate: hex.EncodeToString(r.TLSA.Data),
		}
	}
	return &wire.SOA{Hdr: h, Ns: fqdn(r.Host), Mbox: "hostmaster.invalid."}
}

// chunks cuts a text into strings of 255 octets, escaped for the library.
func chunks(text string) []string {
	var list []string
	for {
		n := min(len(text), 255)
		list = append(list, strings.ReplaceAll(text[:n], `\`, `\\`))
		if text = text[n:]; text == "" {
			return list
		}
	}
}

// fqdn writes a name of ours for the library.
func fqdn(name string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(name) + "."
}

// plain undoes the library's escapes of printable octets.
func plain(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+1 < len(name) {
			i++
		}
		b.WriteByte(name[i])
	}
	return strings.TrimSuffix(b.String(), ".")
}
