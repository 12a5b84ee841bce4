package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// domainCmd is `gapura domain`.
type domainCmd struct {
	DNS domainDNS `cmd:"" name:"dns" help:"The DNS records to publish for a domain, and whether they are."`
}

type domainDNS struct {
	dnsFlags
	Name    string       `arg:"" help:"The domain."`
	Check   bool         `help:"Ask DNS for each record and tell what it has."`
	MX      []string     `name:"mx" placeholder:"HOST" help:"The domain's mail exchangers, the most preferred first. Default: this gateway."`
	Address []netip.Addr `placeholder:"IP" help:"Addresses under which others see this gateway. Default: those of outbound.pools, or, with --check, those that DNS has for it."`
	Reports string       `placeholder:"ADDRESS" help:"Where DMARC and TLS reports are to go. Default: postmaster of the domain."`
}

// Help is printed below the flags.
func (*domainDNS) Help() string {
	return `Prints lines of a zone file: MX, addresses, SPF, DKIM, DMARC, MTA-STS, TLS-RPT,
TLSA, SRV and PTR. With --check each gets a verdict: ok; missing; differs, from what
is needed; too many, where one alone counts; warning; unknown, DNS failed. Exit code
1: something that is needed is not there as it should be. The MTA-STS policy is
fetched too, unless --zone answers for DNS.

Examples:
  gapura domain dns example.org
  gapura domain dns example.org --check --resolver 127.0.0.1:53 --json`
}

// The verdicts.
const (
	verdictOK      = "ok"
	verdictMissing = "missing"
	verdictDiffers = "differs"
	verdictTooMany = "too many"
	verdictWarning = "warning"
	verdictUnknown = "unknown"
)

// dnsRecord is one record to publish.
type dnsRecord struct {
	Purpose   string   `json:"purpose"` // mx, address, ptr, spf, dkim, dmarc, mta-sts, tls-rpt, tlsa, srv
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	Value     string   `json:"value"` // as in a zone file; "" : the administrator knows
	Mandatory bool     `json:"mandatory"`
	Notes     []string `json:"notes,omitempty"`
	Verdict   string   `json:"verdict,omitempty"`
	Found     []string `json:"found,omitempty"`
	Reason    string   `json:"reason,omitempty"`

	check func(ctx context.Context, r dns.Resolver, rec *dnsRecord)
}

// say sets the verdict.
func (r *dnsRecord) say(verdict, format string, args ...any) {
	r.Verdict, r.Reason = verdict, fmt.Sprintf(format, args...)
}

// fails tells whether the verdict makes the whole check fail.
func (r *dnsRecord) fails() bool {
	switch r.Verdict {
	case verdictOK, verdictWarning, "":
		return false
	}
	return r.Mandatory
}

// domainReport is the command's JSON.
type domainReport struct {
	Domain   string       `json:"domain"`
	Hostname string       `json:"hostname"`
	OK       *bool        `json:"ok,omitempty"` // with --check
	Records  []*dnsRecord `json:"records"`
	Policy   string       `json:"mta_sts_policy,omitempty"`
}

// domainPlan is what the records are made of.
type domainPlan struct {
	cfg      *config.Config
	domain   string
	hosts    []string // mail exchangers
	ips      []netip.Addr
	reports  string
	keys     []signing.Key
	leaf     []byte // certificate of ours in DER; nil: none
	chain    [][]byte
	online   bool // HTTPS may be used
	receives bool // the domain's mail comes here
	kept     bool // and stays here, where users read it

	out *domainReport
}

// Run runs `gapura domain dns`.
func (c *domainDNS) Run(a *app) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	p, err := c.plan(a, r)
	if err != nil {
		return err
	}
	p.records()
	if !c.Check {
		return a.print(p.out, p.out.zone)
	}
	ok := true
	for _, rec := range p.out.Records {
		rec.check(a.ctx, r, rec)
		ok = ok && !rec.fails()
	}
	p.out.OK = &ok
	return a.answer(p.out, ok, p.out.verdicts)
}

// plan finds out what there is.
func (c *domainDNS) plan(a *app, r dns.Resolver) (*domainPlan, error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return nil, err
	}
	domain, err := mailauth.ASCIIDomain(c.Name)
	if err != nil {
		return nil, usageError{err}
	}
	if domain, err = asDomain(domain); err != nil {
		return nil, err
	}
	p := &domainPlan{cfg: cfg, domain: domain, ips: c.Address, reports: c.Reports, online: c.Zone == "", receives: receives(cfg, domain), kept: keeps(cfg, domain)}
	p.out = &domainReport{Domain: domain, Hostname: cfg.Hostname}
	for _, h := range c.MX {
		if h, err = asDomain(h); err != nil {
			return nil, err
		}
		p.hosts = append(p.hosts, h)
	}
	if len(p.hosts) == 0 {
		p.hosts = []string{strings.ToLower(cfg.Hostname)}
	}
	if p.reports == "" {
		p.reports = "postmaster@" + domain
	}
	p.addresses(a.ctx, r, c.Check)
	p.certificate()
	return p, a.withKeysOf(cfg, func(k *signing.Keys) (err error) {
		p.keys, err = k.List(a.ctx, domain)
		for above := domain; err == nil && len(p.keys) == 0 && cfg.Signing.Subdomains; {
			if _, above, _ = strings.Cut(above, "."); !strings.Contains(above, ".") {
				break
			}
			p.keys, err = k.List(a.ctx, above)
		}
		return err
	})
}

// asDomain checks a name of the command line.
func asDomain(s string) (string, error) {
	name, ok := dns.Normal(s)
	if !ok || strings.ContainsAny(name, " \"\\();@$") {
		return "", usageError{fmt.Errorf("%q is no domain name", s)}
	}
	return name, nil
}

// receives tells whether mail for the domain comes here.
func receives(cfg *config.Config, domain string) bool {
	return slices.ContainsFunc(cfg.Domains, func(d config.Domain) bool {
		parent, wild := strings.CutPrefix(strings.ToLower(d.Name), "*.")
		return d.Name == "default" || strings.EqualFold(d.Name, domain) || wild && strings.HasSuffix(domain, "."+parent)
	})
}

// keeps tells whether users read the domain's mail here.
func keeps(cfg *config.Config, domain string) bool {
	routes, err := routesOf(cfg)
	if err != nil {
		return false
	}
	key, ok := routes.For(smtp.ForwardPath{Address: smtp.Address{Local: "postmaster", Domain: domain}})
	return ok && slices.ContainsFunc(cfg.Local(), func(d config.Domain) bool { return d.Name == key })
}

// addresses finds the addresses that mail leaves from, where nobody named
// them.
func (p *domainPlan) addresses(ctx context.Context, r dns.Resolver, ask bool) {
	if len(p.ips) > 0 {
		return
	}
	for _, pool := range p.cfg.Outbound.Pools {
		for _, s := range pool.Sources {
			if dns.Public(s.Address) && !slices.Contains(p.ips, s.Address) {
				p.ips = append(p.ips, s.Address)
			}
		}
	}
	if len(p.ips) == 0 && ask {
		p.ips, _, _ = dns.LookupIP(ctx, r, p.cfg.Hostname)
	}
}

// certificate reads the one that the gateway shows under its own name.
func (p *domainPlan) certificate() {
	store, err := openCerts(p.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return
	}
	cert, err := store.GetCertificate(helloOf(p.cfg.Hostname))
	if err == nil && len(cert.Certificate) > 0 {
		p.chain, p.leaf = cert.Certificate, cert.Certificate[0]
	}
}

// zone prints the records as lines of a zone file.
func (d *domainReport) zone(w io.Writer) {
	fmt.Fprintf(w, "; Records of %s, whose mail %s handles.\n", d.Domain, d.Hostname)
	for _, r := range d.Records {
		for _, n := range r.Notes {
			fmt.Fprintf(w, "; %s\n", n)
		}
		if r.Value != "" && r.Type != "HTTPS" {
			fmt.Fprintln(w, zoneLine(r.Name, r.Type, r.Value))
		}
	}
	d.policy(w)
}

func (d *domainReport) policy(w io.Writer) {
	if d.Policy == "" {
		return
	}
	fmt.Fprintf(w, "; The policy at https://mta-sts.%s/.well-known/mta-sts.txt:\n", d.Domain)
	for line := range strings.Lines(d.Policy) {
		fmt.Fprintf(w, ";   %s\n", strings.TrimRight(line, "\r\n"))
	}
}

// verdicts prints what DNS has.
func (d *domainReport) verdicts(w io.Writer) {
	for _, r := range d.Records {
		fmt.Fprintf(w, "%-8s  %s %s", r.Verdict, r.Type, r.Name)
		if r.Verdict != verdictOK && !r.Mandatory {
			fmt.Fprint(w, " (not mandatory)")
		}
		if r.Reason != "" {
			fmt.Fprintf(w, ": %s", r.Reason)
		}
		fmt.Fprintln(w)
		if r.Verdict == verdictOK {
			continue
		}
		if r.Value != "" {
			fmt.Fprintf(w, "            wanted: %s\n", r.Value)
		}
		for _, f := range r.Found {
			fmt.Fprintf(w, "            found:  %s\n", f)
		}
	}
}
