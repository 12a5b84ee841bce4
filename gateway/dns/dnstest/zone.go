package dnstest

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Zone is a Resolver in a literal:
//
//	dnstest.Zone{
//		"example.org":       {dnstest.TXT("v=spf1 mx -all"), dnstest.MX(10, "mx.example.org")},
//		"mx.example.org":    {dnstest.A("192.0.2.1"), dnstest.Fail(dns.TypeAAAA, dns.ErrTimeout)},
//		"broken.example.org": {dnstest.Timeout},
//	}
type Zone = dns.Zone

// Parse reads a zone in the YAML form of zone files (dns.ParseZone).
func Parse(t testing.TB, yaml string) Zone {
	t.Helper()
	z, err := dns.ParseZone("zone", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// Entries that end every question about a name which no record answers.
var (
	Timeout  = dns.ZoneRecord{Fail: dns.ErrTimeout}
	ServFail = dns.ZoneRecord{Fail: dns.ErrServFail}
	NXDomain = dns.ZoneRecord{Fail: dns.ErrNXDomain}
	// Authentic is the entry that sets Answer.Authentic.
	Authentic = dns.ZoneRecord{Authentic: true}
)

// Fail ends questions of type t with err, one of the dns package's four.
func Fail(t dns.Type, err error) dns.ZoneRecord { return dns.ZoneRecord{Type: t, Fail: err} }

// TXT is a TXT record.
func TXT(text string) dns.ZoneRecord { return record(dns.TypeTXT, dns.Record{Text: text}) }

// A is an A record. It panics when ip is no address, as the others do.
func A(ip string) dns.ZoneRecord { return record(dns.TypeA, dns.Record{IP: netip.MustParseAddr(ip)}) }

// AAAA is an AAAA record.
func AAAA(ip string) dns.ZoneRecord {
	return record(dns.TypeAAAA, dns.Record{IP: netip.MustParseAddr(ip)})
}

// MX is an MX record.
func MX(preference uint16, host string) dns.ZoneRecord {
	return record(dns.TypeMX, dns.Record{Preference: preference, Host: fold(host)})
}

// SRV is an SRV record.
func SRV(priority, weight, port uint16, host string) dns.ZoneRecord {
	return record(dns.TypeSRV, dns.Record{Preference: priority, Weight: weight, Port: port, Host: fold(host)})
}

// PTR is a PTR record.
func PTR(host string) dns.ZoneRecord { return record(dns.TypePTR, dns.Record{Host: fold(host)}) }

// CNAME is a CNAME record.
func CNAME(host string) dns.ZoneRecord { return record(dns.TypeCNAME, dns.Record{Host: fold(host)}) }

// NS is an NS record.
func NS(host string) dns.ZoneRecord { return record(dns.TypeNS, dns.Record{Host: fold(host)}) }

// SOA is a SOA record whose denials hold for minimum seconds.
func SOA(minimum uint32) dns.ZoneRecord {
	r := record(dns.TypeSOA, dns.Record{Host: "ns.invalid"})
	r.Minimum = minimum
	return r
}

// TLSA is a TLSA record.
func TLSA(usage, selector, matching uint8, hexData string) dns.ZoneRecord {
	data, err := hex.DecodeString(hexData)
	if err != nil {
		panic(fmt.Sprintf("dnstest: %v", err))
	}
	return record(dns.TypeTLSA, dns.Record{TLSA: &dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: data}})
}

func record(t dns.Type, r dns.Record) dns.ZoneRecord { return dns.ZoneRecord{Type: t, Record: r} }

// fold writes a name as resolvers return it.
func fold(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
