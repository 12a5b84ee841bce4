package arc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Options configure the filter.
type Options struct {
	// Domains (d= of ARC-Seal) whose reports are believed, their subdomains
	// included. Nobody's by default.
	Trusted []string `yaml:"trusted"`
	// Key with which messages are sealed when they are handed over (RFC 8617
	// section 5.1). Default: they are not sealed.
	Seal *Seal `yaml:"seal"`
}

// Seal names the key that messages are sealed with.
type Seal struct {
	// Domain of the seal (d=); it publishes the key.
	Domain string `yaml:"domain"`
	// Selector of the key (s=).
	Selector string `yaml:"selector"`
	// PEM file of the private key, RSA or Ed25519.
	Key string `yaml:"key"`
}

// lookupTimeout is for all keys, and less than the filter's own time, so that
// keys that do not come are a temperror.
const lookupTimeout = 4 * time.Second

// Filter implements gateway.BodyFilter.
type Filter struct {
	gateway.BodyOnly
	trusted  []string
	resolver dns.Resolver
	keys     mailauth.KeyCache
}

var _ gateway.BodyFilter = (*Filter)(nil)

// New returns the filter; keys are asked of r.
func New(opt Options, r dns.Resolver) (*Filter, error) {
	if r == nil {
		return nil, errors.New("arc: no resolver")
	}
	trusted, err := opt.trusted()
	if err != nil {
		return nil, err
	}
	return &Filter{resolver: r, trusted: trusted}, nil
}

// Validate tells what is wrong with the options.
func (opt Options) Validate() error {
	_, err := opt.trusted()
	return err
}

// trusted returns the domains in the form in which they are compared.
func (opt Options) trusted() ([]string, error) {
	var list []string
	for _, d := range opt.Trusted {
		a, err := mailauth.ASCIIDomain(d)
		if err != nil || a == "" || strings.ContainsAny(a, "* \t@/") {
			return nil, fmt.Errorf("arc: trusted: %q is no domain name", d)
		}
		list = append(list, a)
	}
	return list, nil
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "arc" }

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	const at = gateway.StageMessage
	const reported = " result that the trusted sealer reported who saw the message first; empty unless arc.trusted."
	return []gateway.Field{
		{Name: "arc.result", Type: gateway.String, Default: "none", Stage: at, Doc: "Status of the chain: none, pass, fail, or temperror when a key could not be looked up."},
		{Name: "arc.instances", Type: gateway.Int, Stage: at, Doc: "Number of ARC sets, 0 when the form of the chain is wrong."},
		{Name: "arc.sealers", Type: gateway.Strings, Stage: at, Doc: "Domains (d=) of the seals, the newest first, whatever the status."},
		{Name: "arc.oldest_pass", Type: gateway.Int, Stage: at, Doc: "With pass: lowest instance from which on all message signatures verify; 0 when all do."},
		{Name: "arc.trusted", Type: gateway.Bool, Stage: at, Doc: "Whether the chain passes and its newest sealer is in the filter's list trusted."},
		{Name: "arc.authserv", Type: gateway.String, Stage: at, Doc: "The authserv-id under which arc.spf, arc.dkim and arc.dmarc were reported."},
		{Name: "arc.spf", Type: gateway.String, Stage: at, Doc: "SPF" + reported},
		{Name: "arc.dkim", Type: gateway.String, Stage: at, Doc: "DKIM" + reported},
		{Name: "arc.dmarc", Type: gateway.String, Stage: at, Doc: "DMARC" + reported},
		{Name: "arc.from", Type: gateway.String, Stage: at, Doc: "Domain of From (header.from) that arc.dmarc was reported for; may be empty."},
	}
}

// Read implements gateway.BodyFilter.
func (f *Filter) Read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	v := mailauth.NewARCVerifier(ctx, m.Header(), f.resolver, mailauth.VerifyOptions{Now: tx.Now, LookupTimeout: lookupTimeout, Keys: &f.keys})
	defer v.Close()
	if err := v.ReadBody(m.Body); err != nil {
		return nil, fmt.Errorf("arc: body: %w", err)
	}
	return reading{f, v.Report()}, nil
}

type reading struct {
	f     *Filter
	chain mailauth.ARCChain
}

// Conclude implements gateway.Reading.
func (r reading) Conclude(_ context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	c := &r.chain
	facts := []gateway.Fact{
		{Name: "arc.result", Value: string(c.CV)},
		{Name: "arc.instances", Value: int64(len(c.Sets))},
		{Name: "arc.sealers", Value: c.Sealers()},
		{Name: "arc.oldest_pass", Value: int64(c.OldestPass)},
	}
	set := r.f.firstTrusted(c)
	facts = append(facts, gateway.Fact{Name: "arc.trusted", Value: set != nil})
	if set != nil {
		facts = append(facts, reported(set.Results)...)
	}
	return gateway.Verdict{Facts: facts, Results: []message.AuthResult{result(c, tx)}}, nil
}

// firstTrusted returns the oldest set of the unbroken row of trusted sealers
// that ends with the newest; nil: none.
func (f *Filter) firstTrusted(c *mailauth.ARCChain) *mailauth.ARCSet {
	if c.CV != mailauth.Pass {
		return nil
	}
	var first *mailauth.ARCSet
	for i := len(c.Sets) - 1; i >= 0 && f.trusts(c.Sets[i].Domain); i-- {
		first = &c.Sets[i]
	}
	return first
}

func (f *Filter) trusts(domain string) bool {
	for _, d := range f.trusted {
		if domain == d || strings.HasSuffix(domain, "."+d) {
			return true
		}
	}
	return false
}

// reported turns a sealer's results into facts. A method with several results
// counts as pass when one is.
func reported(results string) []gateway.Fact {
	a, err := message.ParseAuthResults(results)
	if err != nil {
		return nil // the set is intact, but nobody can read it
	}
	found := map[string]string{}
	from := ""
	for _, r := range a.Results {
		if found[r.Method] == "" || r.Result == "pass" {
			found[r.Method] = r.Result
		}
		for _, p := range r.Props {
			if r.Method == "dmarc" && p.Type == "header" && p.Name == "from" {
				from = strings.ToLower(p.Value[strings.LastIndexByte(p.Value, '@')+1:])
			}
		}
	}
	return []gateway.Fact{
		{Name: "arc.authserv", Value: a.ID},
		{Name: "arc.spf", Value: found["spf"]},
		{Name: "arc.dkim", Value: found["dkim"]},
		{Name: "arc.dmarc", Value: found["dmarc"]},
		{Name: "arc.from", Value: from},
	}
}

// result is what goes into Authentication-Results (RFC 8617 section 10.2).
// There is no temperror for arc.
func result(c *mailauth.ARCChain, tx *gateway.Transaction) message.AuthResult {
	a := message.AuthResult{Method: "arc", Result: string(c.CV), Reason: c.Reason}
	if c.CV == mailauth.TempError {
		a.Result = string(mailauth.Fail)
	}
	if c.CV == mailauth.Pass {
		a.Props = append(a.Props, message.AuthProp{Type: "header", Name: "oldest-pass", Value: strconv.Itoa(c.OldestPass)})
	}
	if s := tx.Session; s != nil && s.Remote.IsValid() && c.CV != mailauth.None {
		a.Props = append(a.Props, message.AuthProp{Type: "smtp", Name: "remote-ip", Value: s.Remote.Addr().Unmap().String()})
	}
	return a
}
