package outbound

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/gapura-mail/gapura/gateway/outbound/dane"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// Policies answers which MTA-STS policy a domain has, as *mtasts.Cache does.
type Policies interface {
	Policy(ctx context.Context, domain string) mtasts.Result
}

// Reports counts how TLS went, as *tlsrpt.Collector does.
type Reports interface {
	Add(s tlsrpt.Session)
}

// The levels of TLS that a configuration may ask for.
const (
	levelNone          = "none"
	levelOpportunistic = "opportunistic"
	levelEncrypt       = "encrypt"
	levelVerify        = "verify"
	levelDANE          = "dane-only"
)

var levels = []string{levelNone, levelOpportunistic, levelEncrypt, levelVerify, levelDANE}

// tlsPolicy is what a hop's connections need.
type tlsPolicy struct {
	key    string // tells policies of one host apart
	mode   smtpc.TLSMode
	config *tls.Config
	// demanded: without TLS that is as the policy wants it nothing is sent.
	demanded bool
	verified string // how the certificate is checked; "" : it is not
	// wish is what a certificate should be like though nothing hangs on it.
	wish   func(tls.ConnectionState) error
	report tlsrpt.Policy     // but for the domain
	result tlsrpt.ResultType // what is wrong with the policy itself
	info   string            // about result
}

// blocked is a policy by which a host is not used.
type blocked struct {
	*failure
	report tlsrpt.Policy
	result tlsrpt.ResultType
}

// tlsRules are the levels that the configuration asks for.
type tlsRules struct {
	level string
	rules []tlsRule
}

type tlsRule struct {
	domains, mx names
	level       string
	names       []string
}

func newTLSRules(o Options) (*tlsRules, error) {
	r := &tlsRules{level: o.TLS}
	if !slices.Contains(levels, o.TLS) {
		return nil, fmt.Errorf("tls: %q is none of %s", o.TLS, strings.Join(levels, ", "))
	}
	for i, x := range o.TLSPolicy {
		rule := tlsRule{level: x.Level, names: x.Names}
		var err error
		if rule.domains, err = newNames(x.Domains); err == nil {
			rule.mx, err = newNames(x.MX)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("tls_policy[%d]: %w", i, err)
		case rule.domains.empty() && rule.mx.empty():
			return nil, fmt.Errorf("tls_policy[%d]: needs domains or mx", i)
		case !slices.Contains(levels, x.Level):
			return nil, fmt.Errorf("tls_policy[%d]: level %q is none of %s", i, x.Level, strings.Join(levels, ", "))
		}
		r.rules = append(r.rules, rule)
	}
	return r, nil
}

// of returns the level for a host of a domain, and the names that its
// certificate may have: those of the first rule that fits.
func (r *tlsRules) of(domain, host string) (string, []string) {
	for i := range r.rules {
		if x := &r.rules[i]; (x.domains.empty() || x.domains.has(domain)) && (x.mx.empty() || x.mx.has(host)) {
			return x.level, x.names
		}
	}
	return r.level, nil
}

// Roots reads Options.CA, the authorities that are trusted; nil: the system's.
func Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("outbound: ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("outbound: ca: %s has no certificate", file)
	}
	return roots, nil
}

// askPolicy begins to look up the MTA-STS policy of a domain; the result is
// waited for by calling it.
func (t *Transport) askPolicy(ctx context.Context, domain string) func() mtasts.Result {
	if t.deps.Policies == nil || !*t.opt.STS {
		return func() mtasts.Result { return mtasts.Result{} }
	}
	got := make(chan mtasts.Result, 1)
	go func() { got <- t.deps.Policies.Policy(ctx, domain) }()
	return sync.OnceValue(func() mtasts.Result { return <-got })
}

// secure gives the hops of a plan their TLS policies. authentic tells whether
// DNSSEC proved the list of hops, and canonical the end of its CNAME chain.
func (t *Transport) secure(ctx context.Context, p *plan, sts mtasts.Result, domain, canonical string, authentic bool) {
	var wg sync.WaitGroup
	for _, h := range p.hops[:min(len(p.hops), t.opt.Hosts)] {
		if len(h.addrs) == 0 {
			continue
		}
		wg.Go(func() {
			host := dane.Host{Name: h.host, Port: h.port, MXAuthentic: authentic, Domain: domain, Canonical: canonical}
			h.tls, h.block = t.mxTLS(ctx, h, sts, host)
			if level, _ := t.tlsRules.of(domain, h.host); level == levelOpportunistic {
				h.lax = t.opportunistic(level)
				h.lax.report.Type = "" // the policy's failure was told
			}
			if h.block == nil {
				h.required = t.requireTLS(h, sts, authentic)
			}
		})
	}
	wg.Wait()
}

// mxTLS finds the policy for a host of a domain: DANE before MTA-STS (RFC 8461
// section 2) before what the configuration wants at least.
func (t *Transport) mxTLS(ctx context.Context, h *hop, sts mtasts.Result, host dane.Host) (*tlsPolicy, *blocked) {
	level, names := t.tlsRules.of(host.Domain, h.host)
	switch level {
	case levelNone:
		return &tlsPolicy{key: "none"}, nil
	case levelVerify:
		if len(names) == 0 {
			names = []string{h.host}
		}
		return t.pkix("pkix", names), nil
	}
	var set dane.Set
	if *t.opt.DANE || level == levelDANE {
		var err error
		if set, err = dane.Lookup(ctx, t.deps.Resolver, host); err != nil {
			return nil, &blocked{
				deferred(reasonDNS, 451, smtp.EnhancedCode{4, 7, 5}, "The DNS does not tell whether "+h.host+" wants DANE: "+dnsError(err)),
				tlsrpt.Policy{Type: tlsrpt.TLSA},
				tlsrpt.DNSSECInvalid,
			}
		}
	}
	switch {
	case set.Status != dane.None && (level != levelDANE || set.Status == dane.Usable):
		return t.byDANE(&set), nil
	case level == levelDANE:
		return nil, &blocked{
			deferred(reasonTLS, 451, smtp.EnhancedCode{4, 7, 5}, "The host "+h.host+" publishes no usable TLSA records, which are wanted here"),
			tlsrpt.Policy{Type: tlsrpt.TLSA},
			tlsrpt.DANERequired,
		}
	case sts.Policy != nil && sts.Policy.Mode != mtasts.Off:
		return t.bySTS(h, sts, level)
	}
	p := t.opportunistic(level)
	if sts.Err != nil {
		p.report.Type, p.result, p.info = tlsrpt.STS, tlsrpt.Classify(sts.Err), sts.Err.Error()
	}
	return p, nil
}

// opportunistic is TLS as far as it goes (RFC 7435), or without a certificate
// that says anything.
func (t *Transport) opportunistic(level string) *tlsPolicy {
	p := &tlsPolicy{key: "may", mode: smtpc.TLSOpportunistic, config: t.unverified, report: tlsrpt.Policy{Type: tlsrpt.NoPolicy}}
	if level == levelEncrypt {
		p.key, p.mode, p.demanded = "must", smtpc.TLSRequired, true
	}
	return p
}

// pkix checks the certificate by the authorities, for one of several names.
func (t *Transport) pkix(verified string, names []string) *tlsPolicy {
	cfg := mtasts.Config(t.base, names[0], t.roots)
	if len(names) > 1 {
		cfg.VerifyConnection = func(cs tls.ConnectionState) (err error) {
			for _, n := range names {
				if err = mtasts.Verify(cs, n, t.roots); err == nil {
					return nil
				}
			}
			return err
		}
	}
	return &tlsPolicy{
		key: verified + " " + strings.Join(names, " "), mode: smtpc.TLSRequired, config: cfg, demanded: true, verified: verified,
		report: tlsrpt.Policy{Type: tlsrpt.NoPolicy},
	}
}

// byDANE is RFC 7672 section 2.2.
func (t *Transport) byDANE(set *dane.Set) *tlsPolicy {
	p := &tlsPolicy{
		mode: smtpc.TLSRequired, config: set.Config(t.base), demanded: true,
		report: tlsrpt.Policy{Type: tlsrpt.TLSA, Strings: set.Strings()},
	}
	if set.Status == dane.Usable {
		p.verified = "dane"
	} else {
		p.result = tlsrpt.TLSAInvalid
	}
	sum := sha256.Sum256([]byte(set.Status.String() + strings.Join(set.Names, " ") + strings.Join(p.report.Strings, ";")))
	p.key = "dane " + hex.EncodeToString(sum[:])
	return p
}

// bySTS is RFC 8461 section 5.
func (t *Transport) bySTS(h *hop, sts mtasts.Result, level string) (*tlsPolicy, *blocked) {
	report := tlsrpt.Policy{Type: tlsrpt.STS, Strings: sts.Policy.Lines, MXHosts: sts.Policy.MX}
	match := sts.Policy.Match(h.host)
	if sts.Policy.Mode == mtasts.Enforce {
		if !match {
			return nil, &blocked{
				deferred(reasonTLS, 451, smtp.EnhancedCode{4, 7, 5}, "The host "+h.host+" is not one that the domain's MTA-STS policy names"),
				report, tlsrpt.Failure,
			}
		}
		p := t.pkix("mta-sts", []string{h.host})
		p.report = report
		return p, nil
	}
	p := t.opportunistic(level)
	p.report = report
	host := h.host
	p.wish = func(cs tls.ConnectionState) error { return mtasts.Verify(cs, host, t.roots) }
	if !match {
		p.result, p.info = tlsrpt.Failure, "the host is not one that the policy names"
	}
	return p, nil
}

// requireTLS is the policy for mail with REQUIRETLS (RFC 8689 section 4.2.1):
// the host is named by DNSSEC or MTA-STS, and its certificate is checked. nil:
// there is none.
func (t *Transport) requireTLS(h *hop, sts mtasts.Result, authentic bool) *tlsPolicy {
	switch named := sts.Policy != nil && sts.Policy.Match(h.host); {
	case h.tls.verified != "":
		return h.tls
	case authentic || named:
		return t.pkix("pkix", []string{h.host})
	}
	return nil
}

// smartTLS is what the URL of a smart host says.
func (t *Transport) smartTLS(h *hop) {
	if h.smart.tls == smtpc.TLSOff {
		h.tls = &tlsPolicy{key: "none"}
		return
	}
	if h.smart.unverified {
		h.tls = t.opportunistic(levelEncrypt)
	} else {
		h.tls = t.pkix("pkix", []string{h.host})
		h.required = h.tls
	}
	h.tls.mode, h.tls.report.Type = h.smart.tls, ""
}

// policy returns what a job's connections to a hop need.
func (d *delivery) policy(h *hop) (*tlsPolicy, *failure) {
	switch {
	case d.lenient && (h.block != nil || h.required == h.tls):
		return nil, d.why // it was tried, and stays as it is
	case h.block != nil:
		if !d.j.Queue.Report {
			d.t.reportBlock(d.j.Destination, h)
		}
		if d.lax(h) {
			return h.lax, nil
		}
		d.bound = d.bound || h.block.reason == reasonTLS
		return nil, h.block.failure
	case !d.j.Params.RequireTLS, d.lenient, h.required == nil && d.j.From.IsNull(): // no bounce is lost for that (RFC 8689 section 5)
		return h.tls, nil
	case h.required == nil:
		return nil, ours(queue.Failed, reasonTLS, false, 550, smtp.EnhancedCode{5, 7, 30},
			"REQUIRETLS was asked for, and the host "+h.host+" is not known to be the right one by DNSSEC, MTA-STS or the configuration")
	}
	return h.required, nil
}
