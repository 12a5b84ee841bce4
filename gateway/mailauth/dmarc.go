package mailauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
)

// Bounds of a DMARC evaluation.
const (
	DMARCMaxAuthors     = 4                // domains in From; more: permerror
	DMARCMaxIdentifiers = 10               // domains of DKIM signatures that are looked at
	DMARCTimeout        = 20 * time.Second // for the look-ups of discovery, and again for those of alignment
)

// AuthIdentifier is the outcome of SPF or of one DKIM signature, with the
// domain that it authenticates or would have.
type AuthIdentifier struct {
	Result Result
	Domain string
}

// DMARCInput is what DMARC combines.
type DMARCInput struct {
	HeaderFrom []string         // domains of the From field, or its addresses
	SPF        AuthIdentifier   // of the MAIL FROM identity
	DKIM       []AuthIdentifier // one for each signature
}

// DMARCResult is the outcome for one message.
type DMARCResult struct {
	Result       Result      // None, Pass, Fail, TempError or PermError
	Domain       string      // author domain; A-label form, lower case
	OrgDomain    string      // its organizational domain
	PolicyDomain string      // whose record applies; "" : none
	Published    DMARCPolicy // p, sp or np of the record, whichever applies; DMARCNone without a record
	Policy       DMARCPolicy // Published after t=y
	Disposition  DMARCPolicy // what the domain's owner asks for this message: Policy when Result is Fail
	Record       DMARCRecord // zero without a record
	SPFAligned   bool        // SPF passed for an aligned domain
	DKIMAligned  bool        // a signature of an aligned domain passed
	Reason       string      // why not Pass or Fail; English, for logs
}

// EvaluateDMARC evaluates RFC 9989 for one message.
func EvaluateDMARC(ctx context.Context, r dns.Resolver, in DMARCInput) DMARCResult {
	return DiscoverDMARC(ctx, r, in.HeaderFrom).Evaluate(ctx, in.SPF, in.DKIM)
}

// DMARCDiscovery is the part of DMARC that needs the author's domain only. It
// is for one goroutine at a time.
type DMARCDiscovery struct {
	dns     *dmarcDNS
	authors []*dmarcAuthor
	problem *DMARCResult // an author that cannot be looked up
}

// dmarcAuthor is one author domain with its policy.
type dmarcAuthor struct {
	domain string
	walk   dmarcWalk
	org    string
	found  dmarcFound // the record that applies
	policy DMARCPolicy
	err    error // existence could not be found out
}

// DiscoverDMARC finds the policy of each distinct domain of from, which are
// domains or addresses.
func DiscoverDMARC(ctx context.Context, r dns.Resolver, from []string) *DMARCDiscovery {
	within := deadline.After(ctx, DMARCTimeout)
	defer within.Cancel()
	d := &DMARCDiscovery{dns: &dmarcDNS{r: r, known: map[string]dmarcFound{}}}
	domains, err := authorDomains(from)
	switch {
	case err != nil:
		d.problem = noDMARC(None, err.Error())
	case len(domains) == 0:
		d.problem = noDMARC(None, "no author domain")
	case len(domains) > DMARCMaxAuthors:
		d.problem = noDMARC(PermError, fmt.Sprintf("%d author domains", len(domains)))
		domains = domains[:DMARCMaxAuthors]
	}
	for _, domain := range domains {
		d.authors = append(d.authors, d.author(within, domain))
	}
	return d
}

func noDMARC(r Result, reason string) *DMARCResult {
	return &DMARCResult{Result: r, Published: DMARCNone, Policy: DMARCNone, Disposition: DMARCNone, Reason: reason}
}

// authorDomains brings domains and addresses into A-label form, each once. err
// is about one that has none.
func authorDomains(from []string) (list []string, err error) {
	for _, s := range from {
		name, ok := dmarcDomain(s[strings.LastIndexByte(s, '@')+1:])
		if !ok {
			err = fmt.Errorf("author domain %.100q is no domain name", s)
		} else if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list, err
}

// dmarcDomain brings a domain into A-label form (RFC 9989 section 5.3.1).
func dmarcDomain(s string) (string, bool) {
	s, err := ASCIIDomain(s)
	if err != nil || strings.HasPrefix(s, "[") {
		return "", false
	}
	return dns.Normal(s)
}

// author walks up from an author domain and selects its policy.
func (d *DMARCDiscovery) author(ctx context.Context, domain string) *dmarcAuthor {
	a := &dmarcAuthor{domain: domain, walk: d.dns.walk(ctx, domain)}
	a.org = a.walk.orgDomain()
	a.found, _ = a.walk.policy()
	a.policy = a.found.rec.Policy
	if rec := &a.found.rec; a.found.ok && domain != a.found.name {
		if rec.Subdomain != "" {
			a.policy = rec.Subdomain
		}
		if rec.Missing != "" && rec.Missing != a.policy {
			var exists bool
			if exists, a.err = nameExists(ctx, d.dns.r, domain); !exists {
				a.policy = rec.Missing
			}
		}
	}
	if a.found.rec.Broken || a.policy == "" {
		a.policy = DMARCNone
	}
	return a
}

// nameExists tells whether domain exists (RFC 9989 section 3.2.13, RFC 8020).
func nameExists(ctx context.Context, r dns.Resolver, domain string) (bool, error) {
	_, err := r.Lookup(ctx, domain, dns.TypeA)
	var nf *dns.NotFound
	switch {
	case err == nil, errors.Is(err, dns.ErrNoData):
		return true, nil
	case errors.As(err, &nf) && nf.Name != domain: // an alias of a name that does not exist
		return true, nil
	case errors.Is(err, dns.ErrNXDomain):
		return false, nil
	}
	return true, fmt.Errorf("address of %s: %w", domain, err)
}

// Prefetch makes the queries that alignment with domain will need, so that
// Evaluate finds their answers known.
func (d *DMARCDiscovery) Prefetch(ctx context.Context, domain string) {
	for _, a := range d.authors {
		if a.found.ok && !a.found.rec.StrictSPF {
			_, _ = d.aligned(ctx, a, domain, false)
		}
	}
}

// Evaluate combines the policy with the results of SPF and DKIM. Of several
// author domains it gives the worst outcome, so that none rides on another's
// pass (RFC 9989 section 11.5).
func (d *DMARCDiscovery) Evaluate(ctx context.Context, spf AuthIdentifier, dkim []AuthIdentifier) DMARCResult {
	within := deadline.After(ctx, DMARCTimeout)
	defer within.Cancel()
	worst := d.problem
	for _, a := range d.authors {
		if res := d.evaluate(within, a, spf, dkim); worst == nil || badness(&res) > badness(worst) {
			worst = &res
		}
	}
	return *worst
}

// badness orders results: the strictest failure is worst, a pass is best.
func badness(r *DMARCResult) int {
	switch r.Result {
	case Pass:
		return 0
	case None:
		return 1
	case PermError:
		return 2
	case TempError:
		return 4
	}
	if r.Disposition == DMARCNone {
		return 3
	}
	return 4 + r.Disposition.strictness()
}

// evaluate evaluates one author domain.
func (d *DMARCDiscovery) evaluate(ctx context.Context, a *dmarcAuthor, spf AuthIdentifier, dkim []AuthIdentifier) DMARCResult {
	res := DMARCResult{
		Domain: a.domain, OrgDomain: a.org, Published: DMARCNone, Policy: DMARCNone, Disposition: DMARCNone,
	}
	if a.walk.err != nil && a.found.name != a.domain { // another record might apply
		res.Result, res.Reason = TempError, a.walk.err.Error()
		return res
	}
	if !a.found.ok {
		res.Result, res.Reason = None, "no DMARC record"
		return res
	}
	rec := a.found.rec
	if rec.Broken && len(rec.AggregateURIs) == 0 { // section 4.10.1
		res.Result, res.Reason = None, "the record at _dmarc."+a.found.name+" has no valid policy and no rua"
		return res
	}
	res.PolicyDomain, res.Record = a.found.name, rec
	res.Published, res.Policy = a.policy, a.policy
	if rec.Testing {
		res.Policy = milder(a.policy)
	}
	d.align(ctx, a, &res, spf, dkim)
	if res.Result == Fail && a.err != nil {
		res.Result, res.Reason = TempError, a.err.Error()
	}
	if res.Result == Fail {
		res.Disposition = res.Policy
	}
	return res
}

// milder is one level below p (RFC 9989 section 4.7, tag t).
func milder(p DMARCPolicy) DMARCPolicy {
	if p == DMARCReject {
		return DMARCQuarantine
	}
	return DMARCNone
}

// align sets the result: Pass for an aligned identifier that passed; TempError
// when one might still (section 5.3.6); else Fail.
func (d *DMARCDiscovery) align(ctx context.Context, a *dmarcAuthor, res *DMARCResult, spf AuthIdentifier, dkim []AuthIdentifier) {
	res.Result = Fail
	try := func(id AuthIdentifier, strict bool, aligned *bool, what string) {
		if *aligned || id.Result != Pass && id.Result != TempError {
			return
		}
		ok, err := d.aligned(ctx, a, id.Domain, strict)
		switch {
		case err != nil:
			res.Reason = err.Error()
		case ok && id.Result == TempError:
			res.Reason = what + " of " + id.Domain + ": temperror"
		case ok:
			*aligned = true
		}
	}
	try(spf, res.Record.StrictSPF, &res.SPFAligned, "SPF")
	for _, id := range identifiers(dkim) {
		try(id, res.Record.StrictDKIM, &res.DKIMAligned, "DKIM signature")
	}
	switch {
	case res.SPFAligned || res.DKIMAligned:
		res.Result, res.Reason = Pass, ""
	case res.Reason != "":
		res.Result = TempError
	}
}

// identifiers returns the distinct ones that can matter, passes first.
func identifiers(dkim []AuthIdentifier) []AuthIdentifier {
	var list []AuthIdentifier
	for _, want := range []Result{Pass, TempError} {
		for _, id := range dkim {
			if len(list) < DMARCMaxIdentifiers && id.Result == want && !slices.Contains(list, id) {
				list = append(list, id)
			}
		}
	}
	return list
}

// aligned tells whether domain is in alignment with the author domain (RFC
// 9989 section 4.10.2).
func (d *DMARCDiscovery) aligned(ctx context.Context, a *dmarcAuthor, domain string, strict bool) (bool, error) {
	domain, ok := dmarcDomain(domain)
	switch {
	case !ok:
		return false, nil
	case domain == a.domain:
		return true, nil
	case strict:
		return false, nil
	case a.walk.err != nil:
		return false, a.walk.err
	case !isSubdomain(domain, a.org): // its organizational domain is another
		return false, nil
	}
	w := d.dns.walk(ctx, domain)
	if w.err != nil {
		return false, w.err
	}
	return w.orgDomain() == a.org, nil
}
