package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Options configure the filter.
type Options struct {
	// How long the look-ups of one message may take, once for the policy and
	// once for alignment; then the result is temperror. Default 4s, at most
	// 20s.
	LookupTimeout time.Duration `yaml:"lookup_timeout"`
	// Forwarders that may send others' mail though DMARC fails: addresses,
	// networks, and domains with what is below them. A domain counts where
	// SPF, the verified name of the client or a DKIM signature proves it.
	Forwarders []string `yaml:"forwarders"`
}

const defaultLookupTimeout = 4 * time.Second

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{LookupTimeout: defaultLookupTimeout} }

// Validate checks the options.
func (opt Options) Validate() error {
	if opt.LookupTimeout < 0 || opt.LookupTimeout > mailauth.DMARCTimeout {
		return fmt.Errorf("dmarc: lookup_timeout: %s is not within 0 and %s", opt.LookupTimeout, mailauth.DMARCTimeout)
	}
	_, err := parseForwarders(opt.Forwarders)
	return err
}

// Filter implements gateway.BodyFilter.
type Filter struct {
	gateway.BodyOnly
	opt        Options
	forwarders forwarders
	resolver   dns.Resolver
}

var (
	_ gateway.BodyFilter = (*Filter)(nil)
	_ gateway.Staged     = (*Filter)(nil)
	_ gateway.Ordered    = (*Filter)(nil)
)

// New returns the filter, which asks r.
func New(opt Options, r dns.Resolver) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if opt.LookupTimeout == 0 {
		opt.LookupTimeout = defaultLookupTimeout
	}
	if r == nil {
		return nil, errors.New("dmarc: no resolver")
	}
	fw, err := parseForwarders(opt.Forwarders)
	if err != nil {
		return nil, err
	}
	return &Filter{opt: opt, forwarders: fw, resolver: r}, nil
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "dmarc" }

// After implements gateway.Ordered.
func (f *Filter) After() []string { return []string{"spf", "dkim", "arc"} }

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	const at = gateway.StageMessage
	return []gateway.Field{
		{Name: "dmarc.result", Type: gateway.String, Default: "none", Stage: at, Doc: "DMARC of the message: none (no policy, or From names no domain), pass, fail, temperror (the DNS did not answer) or permerror. Of several authors the worst. none as well where DMARC is not evaluated: clients that are authenticated or may relay."},
		{Name: "dmarc.disposition", Type: gateway.String, Default: "none", Stage: at, Doc: "What the owner of the author's domain asks for this very message: none, quarantine or reject; always none without a fail."},
		{Name: "dmarc.policy", Type: gateway.String, Default: "none", Stage: at, Doc: "Policy for the author's domain whatever the result: p, sp or np of the record, one step milder where the owner is testing."},
		{Name: "dmarc.domain", Type: gateway.String, Stage: at, Doc: "Domain of the author (From), lower case, A-labels."},
		{Name: "dmarc.org_domain", Type: gateway.String, Stage: at, Doc: "Organizational domain of dmarc.domain."},
		{Name: "dmarc.policy_domain", Type: gateway.String, Stage: at, Doc: "Domain whose DMARC record applies; empty when there is none."},
		{Name: "dmarc.spf_aligned", Type: gateway.Bool, Stage: at, Doc: "Whether SPF passed for a domain in alignment with the author's."},
		{Name: "dmarc.dkim_aligned", Type: gateway.Bool, Stage: at, Doc: "Whether a DKIM signature passed of a domain in alignment with the author's."},
		{Name: "dmarc.testing", Type: gateway.Bool, Stage: at, Doc: "Whether the record says that the policy is being tested (t=y)."},
		{Name: "dmarc.list_mail", Type: gateway.Bool, Stage: at, Doc: "Whether the message claims to come through a mailing list (List-Id, List-Post, Mailing-List or Precedence: list): such mail fails DMARC without anybody's fault (RFC 9989 section 7.4). Anybody can claim it."},
		{Name: "dmarc.forwarder", Type: gateway.Bool, Stage: at, Doc: "Whether one of the filter's forwarders sent the message."},
	}
}

// reading is what Read took from a message.
type reading struct {
	f      *Filter
	policy *mailauth.DMARCDiscovery
	from   []string // author domains
	list   bool
}

// Read implements gateway.BodyFilter: it finds the policy.
func (f *Filter) Read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	if s := tx.Session; s.User != "" || s.Relay {
		return nil, nil
	}
	// What is wrong with From beyond its domains is for the filter headers.
	from, _ := message.AuthorDomains(m.Header())
	within := deadline.After(ctx, f.opt.LookupTimeout)
	defer within.Cancel()
	policy := mailauth.DiscoverDMARC(within, f.resolver, from)
	if tx.Facts.String("spf.result") == "pass" {
		policy.Prefetch(within, tx.Facts.String("spf.domain"))
	}
	return &reading{f, policy, from, listMail(m.Header())}, nil
}

// listMail tells whether the header is that of a mailing list.
func listMail(h *message.Header) bool {
	for _, f := range h.Fields() {
		switch {
		case f.Is("List-Id"), f.Is("List-Post"), f.Is("Mailing-List"):
			return true
		case f.Is("Precedence") && strings.EqualFold(strings.TrimSpace(f.Value()), "list"):
			return true
		}
	}
	return false
}

// Conclude implements gateway.Reading.
func (r *reading) Conclude(ctx context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	within := deadline.After(ctx, r.f.opt.LookupTimeout)
	defer within.Cancel()
	spf := mailauth.AuthIdentifier{Result: mailauth.Result(tx.Facts.String("spf.result")), Domain: tx.Facts.String("spf.domain")}
	if _, failed := tx.Facts.Get("spf.error"); failed && spf.Result == "" {
		spf = mailauth.AuthIdentifier{Result: mailauth.TempError, Domain: senderDomain(tx)}
	}
	dkim := identifiers(tx.Facts, "dkim.domains", mailauth.Pass)
	dkim = append(dkim, identifiers(tx.Facts, "dkim.temperror", mailauth.TempError)...)
	if _, failed := tx.Facts.Get("dkim.error"); failed {
		for _, d := range r.from { // any of them may have signed
			dkim = append(dkim, mailauth.AuthIdentifier{Result: mailauth.TempError, Domain: d})
		}
	}
	res := r.policy.Evaluate(within, spf, dkim)
	return gateway.Verdict{Facts: append(r.facts(res), gateway.Fact{Name: "dmarc.forwarder", Value: r.f.forwarders.sent(tx)}), Results: results(res)}, nil
}

// senderDomain is the domain that SPF would have judged.
func senderDomain(tx *gateway.Transaction) string {
	if tx.From.IsNull() {
		return tx.Session.Helo
	}
	return tx.From.Domain
}

// identifiers are the domains in a fact of the filter dkim.
func identifiers(facts gateway.Facts, name string, result mailauth.Result) (ids []mailauth.AuthIdentifier) {
	v, _ := facts.Get(name)
	list, _ := v.([]string)
	for _, d := range list {
		ids = append(ids, mailauth.AuthIdentifier{Result: result, Domain: d})
	}
	return ids
}

func (r *reading) facts(res mailauth.DMARCResult) []gateway.Fact {
	return []gateway.Fact{
		{Name: "dmarc.result", Value: string(res.Result)},
		{Name: "dmarc.disposition", Value: string(res.Disposition)},
		{Name: "dmarc.policy", Value: string(res.Policy)},
		{Name: "dmarc.domain", Value: res.Domain},
		{Name: "dmarc.org_domain", Value: res.OrgDomain},
		{Name: "dmarc.policy_domain", Value: res.PolicyDomain},
		{Name: "dmarc.spf_aligned", Value: res.SPFAligned},
		{Name: "dmarc.dkim_aligned", Value: res.DKIMAligned},
		{Name: "dmarc.testing", Value: res.Record.Testing},
		{Name: "dmarc.list_mail", Value: r.list},
	}
}

// results are what goes into Authentication-Results (RFC 9989 section 9.1).
func results(res mailauth.DMARCResult) []message.AuthResult {
	a := message.AuthResult{Method: "dmarc", Result: string(res.Result)}
	if res.Result == mailauth.TempError || res.Result == mailauth.PermError {
		a.Reason = res.Reason[:min(len(res.Reason), maxReason)]
	}
	if res.Domain != "" {
		a.Props = append(a.Props, message.AuthProp{Type: "header", Name: "from", Value: res.Domain})
	}
	if res.PolicyDomain != "" {
		a.Props = append(a.Props, message.AuthProp{Type: "policy", Name: "dmarc", Value: string(res.Policy)})
	}
	return []message.AuthResult{a}
}

const maxReason = 200 // octets
