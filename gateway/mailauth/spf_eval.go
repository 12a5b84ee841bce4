package mailauth

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// spfCheck is one run of check_host() with its counters.
type spfCheck struct {
	ctx    context.Context
	r      dns.Resolver
	in     SPFInput
	ip     netip.Addr
	local  string // of the sender
	sender string // domain of the sender
	helo   string

	lookups, voids, maxVoids int

	ptrAsked   bool
	ptrNames   []string        // of the client, at most SPFMaxPTR
	ptrValid   map[string]bool // forward-confirmed
	explaining bool            // the limits are for the result, not for its text
	over       *spfStop        // a limit that a macro went over
}

// spfOutcome is the result of check_host() for one domain.
type spfOutcome struct {
	result    Result
	mechanism string // the term that matched
	reason    string
	domain    string // whose record decided, after redirects
	exp       string // that record's exp=
}

// spfStop ends the whole check: TempError or PermError.
type spfStop struct {
	result Result
	reason string
}

func permError(format string, a ...any) *spfStop {
	return &spfStop{PermError, fmt.Sprintf(format, a...)}
}

func newSPFCheck(ctx context.Context, r dns.Resolver, in SPFInput, opt SPFOptions, local, sender string) *spfCheck {
	c := &spfCheck{
		ctx: ctx, r: r, in: in, ip: in.IP.Unmap().WithZone(""),
		local: local, sender: sender, helo: in.Helo, maxVoids: SPFMaxVoidLookups,
	}
	if !isASCII(in.Helo) {
		if helo, err := ASCIIDomain(in.Helo); err == nil {
			c.helo = helo
		}
	}
	if opt.MaxVoidLookups != 0 {
		c.maxVoids = max(opt.MaxVoidLookups, 0)
	}
	return c
}

// checkHost is check_host() of RFC 7208 section 4, with redirects followed.
func (c *spfCheck) checkHost(domain string) spfOutcome {
	for redirected := false; ; redirected = true {
		rec, out := c.record(domain)
		if rec == nil {
			if redirected && out.result == None { // RFC 7208 section 6.1
				out.result, out.reason = PermError, "redirect to "+domain+": "+out.reason
			}
			return out
		}
		out, stop := c.evaluate(rec, domain)
		if stop != nil {
			out.result, out.reason = stop.result, stop.reason
			return out
		}
		if out.result != None {
			return out
		}
		if rec.redirect == "" {
			out.result, out.mechanism = Neutral, "default" // RFC 7208 section 4.7
			return out
		}
		if stop := c.count(); stop != nil {
			return spfOutcome{result: stop.result, reason: stop.reason, mechanism: "redirect=" + rec.redirect}
		}
		next, ok, stop := c.target(rec.redirect, domain)
		if stop == nil && !ok {
			stop = permError("redirect to a name that cannot exist")
		}
		if stop != nil {
			return spfOutcome{result: stop.result, reason: stop.reason, mechanism: "redirect=" + rec.redirect}
		}
		domain = next
	}
}

// record fetches and parses the SPF record of domain. Without one, the
// outcome says why.
func (c *spfCheck) record(domain string) (*spfRecord, spfOutcome) {
	if !strings.Contains(domain, ".") {
		return nil, spfOutcome{result: None, reason: "not a domain name that can be looked up"}
	}
	a, err := c.r.Lookup(c.ctx, domain, dns.TypeTXT)
	if err != nil && !dns.IsNotFound(err) {
		return nil, spfOutcome{result: TempError, reason: fmt.Sprintf("TXT %s: %v", domain, err)}
	}
	text, n := "", 0
	for _, rr := range a.Records {
		if isSPFRecord(rr.Text) {
			text = rr.Text
			n++
		}
	}
	switch n {
	case 0:
		return nil, spfOutcome{result: None, reason: "no SPF record"}
	case 1:
	default: // RFC 7208 section 4.5
		return nil, spfOutcome{result: PermError, reason: fmt.Sprintf("%d SPF records at %s", n, domain)}
	}
	rec, err := parseSPFRecord(text)
	if err != nil {
		return nil, spfOutcome{result: PermError, reason: fmt.Sprintf("SPF record of %s: %v", domain, err)}
	}
	return rec, spfOutcome{}
}

// evaluate asks the directives in order. Result None: none of them matched.
func (c *spfCheck) evaluate(rec *spfRecord, domain string) (spfOutcome, *spfStop) {
	for i := range rec.terms {
		t := &rec.terms[i]
		match, stop := c.match(t, domain)
		if err := c.ctx.Err(); err != nil { // a PTR query may have gone without an answer
			stop = &spfStop{TempError, err.Error()}
		}
		if stop != nil {
			return spfOutcome{mechanism: t.text}, stop
		}
		if match {
			return spfOutcome{
				result: qualifierResult(t.qualifier), mechanism: t.text, domain: domain, exp: rec.exp,
			}, nil
		}
	}
	return spfOutcome{result: None, domain: domain}, nil
}

func qualifierResult(q byte) Result {
	switch q {
	case '-':
		return Fail
	case '~':
		return SoftFail
	case '?':
		return Neutral
	}
	return Pass
}

// count counts a term that asks the DNS.
func (c *spfCheck) count() *spfStop {
	if c.explaining {
		return nil
	}
	if c.lookups++; c.lookups > SPFMaxLookups {
		return permError("more than %d terms ask the DNS", SPFMaxLookups)
	}
	return nil
}

// target expands a domain-spec into a name to ask for; ok is false when no
// such name can exist.
func (c *spfCheck) target(spec, domain string) (name string, ok bool, stop *spfStop) {
	if spec == "" {
		return domain, true, nil
	}
	name, ok = c.expand(spec, domain)
	if c.over != nil {
		return "", false, c.over
	}
	name = strings.TrimSuffix(name, ".")
	for len(name) > dns.MaxName { // RFC 7208 section 7.3: cut from the left, label by label
		i := strings.IndexByte(name, '.')
		if i < 0 {
			return "", false, nil
		}
		name = name[i+1:]
	}
	normal, valid := dns.Normal(name)
	if !ok || !valid {
		return name, false, nil
	}
	return normal, true, nil
}

// lookup asks and counts what finds nothing. No records without a stop: the
// name or type does not exist.
func (c *spfCheck) lookup(name string, t dns.Type) ([]dns.Record, *spfStop) {
	a, err := c.r.Lookup(c.ctx, name, t)
	switch {
	case err == nil:
		return a.Records, nil
	case !dns.IsNotFound(err):
		return nil, &spfStop{TempError, fmt.Sprintf("look-up of %s: %v", name, err)}
	}
	if c.explaining {
		return nil, nil
	}
	if c.voids++; c.voids > c.maxVoids {
		return nil, permError("more than %d look-ups found nothing", c.maxVoids)
	}
	return nil, nil
}
