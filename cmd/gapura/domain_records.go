package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/signing"
)

// records makes all of them, in the order in which they are printed.
func (p *domainPlan) records() {
	p.mx()
	p.address()
	p.ptr()
	p.spf()
	p.dkim()
	p.dmarc()
	p.sts()
	p.tlsReports()
	p.tlsa()
	p.srv()
}

func (p *domainPlan) add(r *dnsRecord) { p.out.Records = append(p.out.Records, r) }

func (p *domainPlan) mx() {
	notes := []string{"Where mail for the domain goes."}
	if !p.receives {
		notes = append(notes, "This gateway is not configured to take it: that is needed first, or the MX stays elsewhere.")
	}
	for i, h := range p.hosts {
		p.add(&dnsRecord{
			Purpose: "mx", Name: p.domain, Type: "MX", Value: fmt.Sprintf("%d %s.", 10*(i+1), h), Mandatory: p.receives, Notes: notes,
			check: checkMX(h, p.hosts),
		})
		notes = nil
	}
}

// ours tells whether the gateway is one of the mail exchangers.
func (p *domainPlan) ours() bool { return slices.Contains(p.hosts, strings.ToLower(p.cfg.Hostname)) }

func (p *domainPlan) address() {
	note := []string{"Addresses of the gateway. MX records must lead to a name with addresses, not to an alias."}
	if len(p.ips) == 0 {
		p.add(&dnsRecord{
			Purpose: "address", Name: p.cfg.Hostname, Type: "A", Mandatory: true,
			Notes: append(note, "A and AAAA records of "+p.cfg.Hostname+": the addresses under which others see it (--address)."),
			check: checkAddresses(nil),
		})
	}
	for _, ip := range p.ips {
		p.add(&dnsRecord{
			Purpose: "address", Name: p.cfg.Hostname, Type: addressType(ip), Value: ip.String(), Mandatory: true, Notes: note, check: checkAddresses(p.ips),
		})
		note = nil
	}
}

func addressType(ip netip.Addr) string {
	if ip.Unmap().Is4() {
		return "A"
	}
	return "AAAA"
}

// ptr advises on names of addresses: whose operator, not the domain's, has to
// publish them.
func (p *domainPlan) ptr() {
	note := []string{"Names of the addresses that mail leaves from: who runs the network publishes them. Many servers refuse mail from addresses without."}
	for _, ip := range p.ips {
		name := p.helloOf(ip)
		p.add(&dnsRecord{
			Purpose: "ptr", Name: dns.ReverseName(ip), Type: "PTR", Value: name + ".", Mandatory: true, Notes: note, check: checkPTR(ip, name),
		})
		note = nil
	}
}

// helloOf returns the name that the gateway has on an address.
func (p *domainPlan) helloOf(ip netip.Addr) string {
	for _, pool := range p.cfg.Outbound.Pools {
		for _, s := range pool.Sources {
			if s.Address == ip && s.Hello != "" {
				return s.Hello
			}
		}
	}
	return p.cfg.Hostname
}

func (p *domainPlan) spf() {
	terms := []string{"v=spf1", "mx"}
	for _, pool := range p.cfg.Outbound.Pools {
		for _, s := range pool.Sources {
			if term := map[string]string{"A": "ip4:", "AAAA": "ip6:"}[addressType(s.Address)] + s.Address.String(); dns.Public(s.Address) && !slices.Contains(terms, term) {
				terms = append(terms, term)
			}
		}
	}
	notes := []string{"Who sends mail of the domain (SPF). Add others who do."}
	if route := p.cfg.Outbound.Route; route != "" && route != "mx" {
		notes = append(notes, "Mail leaves by way of a smart host: add what its operator says, such as include:NAME.")
	}
	p.add(&dnsRecord{
		Purpose: "spf", Name: p.domain, Type: "TXT", Value: zoneText(strings.Join(append(terms, "~all"), " ")), Mandatory: true, Notes: notes,
		check: checkSPFRecord(p.domain, p.cfg.Hostname, p.ips),
	})
}

func (p *domainPlan) dkim() {
	if len(p.keys) == 0 {
		p.add(&dnsRecord{
			Purpose: "dkim", Name: "_domainkey." + p.domain, Type: "TXT", Mandatory: true,
			Notes: []string{"There are no DKIM keys; make them: gapura dkim generate " + p.domain},
			check: sayMissing("there are no keys: gapura dkim generate " + p.domain),
		})
	}
	about := map[signing.State]string{
		signing.New:     "DKIM key that does not sign yet; gapura dkim rotate lets it, once this is published.",
		signing.Active:  "DKIM key that signs.",
		signing.Retired: "DKIM key that signs no more, but has signed mail that is on its way.",
		signing.Revoked: "DKIM key that is revoked.",
	}
	for _, k := range p.keys {
		note := about[k.State]
		if k.User != "" {
			note += " Of " + k.User + " alone."
		}
		p.add(&dnsRecord{
			Purpose: "dkim", Name: k.Name(), Type: "TXT", Value: zoneText(k.Record()), Notes: []string{note},
			Mandatory: k.State == signing.Active || k.State == signing.Retired, check: checkDKIMKey(k),
		})
	}
}

func (p *domainPlan) dmarc() {
	p.add(&dnsRecord{
		Purpose: "dmarc", Name: "_dmarc." + p.domain, Type: "TXT", Mandatory: true,
		Value: zoneText("v=DMARC1; p=none; rua=mailto:" + p.reports),
		Notes: []string{"What others are to do with mail that is neither SPF's nor DKIM's (DMARC). Read the reports, then go on to p=quarantine and p=reject."},
		check: checkDMARCRecord(p.domain),
	})
}

// sts are record, host and policy of MTA-STS: the configured one, or one to
// begin with.
func (p *domainPlan) sts() {
	own, configured := p.cfg.MTASTS.For(p.domain)
	notes := []string{"Others are to insist on TLS with this gateway (MTA-STS)."}
	if !configured {
		own = mtasts.Published{Domain: p.domain, Mode: mtasts.Testing, MX: p.hosts}
		notes = append(notes, fmt.Sprintf("Not configured yet. To begin with: mta_sts: {policies: [{domain: %s, mode: testing, mx: [%s]}]}", p.domain, strings.Join(p.hosts, ", ")))
	}
	p.out.Policy = own.Policy().String()
	p.add(&dnsRecord{
		Purpose: "mta-sts", Name: "_mta-sts." + p.domain, Type: "TXT", Value: zoneText(own.Record().String()), Notes: notes, Mandatory: configured,
		check: checkSTSRecord(own.Record(), configured),
	})
	p.add(&dnsRecord{
		Purpose: "mta-sts", Name: "mta-sts." + p.domain, Type: "A", Mandatory: configured, check: checkAddresses(nil),
		Notes: []string{"mta-sts." + p.domain + ": an alias or the addresses of a web server with a certificate for this name, which passes requests on to the http listener."},
	})
	if p.online {
		p.add(&dnsRecord{
			Purpose: "mta-sts", Name: mtasts.URL(p.domain), Type: "HTTPS", Mandatory: configured,
			check: checkSTSPolicy(p.cfg.MTASTS, p.domain, own.Policy(), configured, p.hosts),
		})
	}
}

func (p *domainPlan) tlsReports() {
	rec := tlsrpt.Record{RUA: []string{"mailto:" + p.reports}}
	p.add(&dnsRecord{
		Purpose: "tls-rpt", Name: "_smtp._tls." + p.domain, Type: "TXT", Value: zoneText(strings.TrimSuffix(rec.String(), ";")),
		Notes: []string{"Where others report trouble with TLS (TLS-RPT)."}, check: checkTLSRPTRecord,
	})
}

func (p *domainPlan) tlsa() {
	if p.leaf == nil || !p.ours() {
		return
	}
	cert, err := x509.ParseCertificate(p.leaf)
	if err != nil {
		return
	}
	rec := dns.TLSA{Usage: dane.DANEEE, Selector: dane.SPKI, MatchingType: dane.SHA2256, Data: dane.Data(cert, dane.SPKI, dane.SHA2256)}
	p.add(&dnsRecord{
		Purpose: "tlsa", Name: "_25._tcp." + p.cfg.Hostname, Type: "TLSA", Value: dane.Text(rec),
		Notes: []string{
			"The key of the certificate in use (DANE), for zones signed with DNSSEC only.",
			"A new certificate for the same key changes nothing. Before the key changes, publish the new key's record beside this one,",
			"wait for twice the records' TTL, then change it, and remove this one; else mail does not arrive.",
		},
		check: checkTLSA(p.chain, p.cfg.Hostname),
	})
}

// services are those of RFC 6186 and RFC 8314 by the protocol of listeners.
var services = map[string]string{
	"submissions": "_submissions._tcp", "submission": "_submission._tcp",
	"imaps": "_imaps._tcp", "imap": "_imap._tcp", "pop3s": "_pop3s._tcp", "pop3": "_pop3._tcp",
	"managesieve": "_sieve._tcp", // RFC 5804 section 1.8
}

// readsMail tells whether mail programs reach mail that is kept by a protocol.
func readsMail(protocol string) bool {
	switch protocol {
	case "imap", "imaps", "pop3", "pop3s", "managesieve":
		return true
	}
	return false
}

func (p *domainPlan) srv() {
	note := []string{"How mail programs find the servers (RFC 6186, RFC 8314)."}
	for _, l := range p.cfg.Listeners {
		_, port, err := net.SplitHostPort(l.Address)
		n, perr := strconv.ParseUint(port, 10, 16)
		service := services[l.Protocol]
		if !p.kept && readsMail(l.Protocol) { // elsewhere
			continue
		}
		if service == "" || err != nil || perr != nil || n == 0 {
			continue
		}
		p.add(&dnsRecord{
			Purpose: "srv", Name: service + "." + p.domain, Type: "SRV", Value: fmt.Sprintf("0 1 %d %s.", n, p.cfg.Hostname), Notes: note,
			check: checkSRV(p.cfg.Hostname, uint16(n)),
		})
		note = nil
	}
}

// helloOf is what a client that asks for a name says.
func helloOf(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.PSSWithSHA256, tls.PKCS1WithSHA256, tls.Ed25519},
		SupportedCurves:  []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	}
}

// fetchTime bounds the fetch of a policy.
const fetchTime = 20 * time.Second
