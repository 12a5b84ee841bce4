package dkim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Options configure the filter.
type Options struct {
	// How many signatures of a message are judged, from the top; the others
	// are only counted. Default 8, at most 50.
	Signatures int `yaml:"signatures"`
	// Whether a signature that leaves a part of the body unsigned (l=) gets
	// the result policy instead of pass, so that it counts for nothing.
	RefusePartial bool `yaml:"refuse_partial"`
}

const (
	defaultSignatures = 8
	maxSignatures     = 50
	// lookupTimeout is for all keys, and less than the filter's own time: a
	// stranger's key that does not come must not cost the other signatures
	// their results.
	lookupTimeout = 4 * time.Second
)

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Signatures: defaultSignatures} }

// Filter implements gateway.BodyFilter.
type Filter struct {
	gateway.BodyOnly
	opt      Options
	resolver dns.Resolver
	keys     mailauth.KeyCache
}

var _ gateway.BodyFilter = (*Filter)(nil)

// Validate tells what is wrong with the options.
func (opt Options) Validate() error {
	if opt.Signatures < 0 || opt.Signatures > maxSignatures {
		return fmt.Errorf("dkim: signatures: %d is not within 1 and %d", opt.Signatures, maxSignatures)
	}
	return nil
}

// New returns the filter; keys are asked of r.
func New(opt Options, r dns.Resolver) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errors.New("dkim: no resolver")
	}
	opt.Signatures = cmp.Or(opt.Signatures, defaultSignatures)
	return &Filter{opt: opt, resolver: r}, nil
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "dkim" }

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	const at = gateway.StageMessage
	return []gateway.Field{
		{Name: "dkim.result", Type: gateway.String, Default: "none", Stage: at, Doc: "Best result of the DKIM signatures: pass, temperror, fail, policy, permerror, neutral (in this order), or none without a signature."},
		{Name: "dkim.domains", Type: gateway.Strings, Stage: at, Doc: "Domains (d=) of the signatures that pass, lower case."},
		{Name: "dkim.failed", Type: gateway.Strings, Stage: at, Doc: "Domains (d=) of the signatures that neither pass nor wait for a key, those in testing not counted."},
		{Name: "dkim.temperror", Type: gateway.Strings, Stage: at, Doc: "Domains (d=) of the signatures whose key could not be looked up."},
		{Name: "dkim.selectors", Type: gateway.Strings, Stage: at, Doc: "Selectors (s=) of the signatures that pass, in the order of dkim.domains."},
		{Name: "dkim.signatures", Type: gateway.Int, Stage: at, Doc: "Number of DKIM signatures, those not judged included."},
		{Name: "dkim.partial", Type: gateway.Bool, Stage: at, Doc: "Whether every signature that passes leaves a part of the body unsigned (l=): what follows may be anybody's."},
		{Name: "dkim.testing", Type: gateway.Bool, Stage: at, Doc: "Whether a signature failed whose domain says that it is testing DKIM (t=y)."},
	}
}

// Read implements gateway.BodyFilter.
func (f *Filter) Read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	v := mailauth.NewDKIMVerifier(ctx, m.Header(), f.resolver, mailauth.VerifyOptions{Now: tx.Now, MaxSignatures: f.opt.Signatures, LookupTimeout: lookupTimeout, Keys: &f.keys})
	defer v.Close()
	if err := v.ReadBody(m.Body); err != nil {
		return nil, fmt.Errorf("dkim: body: %w", err)
	}
	r := v.Report()
	if f.opt.RefusePartial {
		refusePartial(r.Signatures)
	}
	return reading{r}, nil
}

func refusePartial(list []mailauth.DKIMSignature) {
	for i := range list {
		if s := &list[i]; s.Result == mailauth.Pass && s.Partial() {
			s.Result, s.Reason = mailauth.Policy, "a part of the body is not signed"
		}
	}
}

type reading struct{ mailauth.DKIMReport }

// Conclude implements gateway.Reading.
func (r reading) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: facts(r.DKIMReport), Results: results(r.Signatures)}, nil
}

// rank orders results, the best first.
var rank = []mailauth.Result{mailauth.Pass, mailauth.TempError, mailauth.Fail, mailauth.Policy, mailauth.PermError, mailauth.Neutral, mailauth.None}

func facts(r mailauth.DKIMReport) []gateway.Fact {
	best := mailauth.None
	var domains, failed, later, selectors []string
	partial, testing := true, false
	for _, s := range r.Signatures {
		if slices.Index(rank, s.Result) < slices.Index(rank, best) {
			best = s.Result
		}
		switch {
		case s.Result == mailauth.Pass:
			domains, selectors = append(domains, s.Domain), append(selectors, s.Selector)
			partial = partial && s.Partial()
		case s.Result == mailauth.TempError:
			later = append(later, s.Domain)
		case s.Testing:
			testing = true
		case s.Domain != "":
			failed = append(failed, s.Domain)
		}
	}
	return []gateway.Fact{
		{Name: "dkim.result", Value: string(best)},
		{Name: "dkim.domains", Value: domains},
		{Name: "dkim.failed", Value: failed},
		{Name: "dkim.temperror", Value: later},
		{Name: "dkim.selectors", Value: selectors},
		{Name: "dkim.signatures", Value: int64(len(r.Signatures) + r.Ignored)},
		{Name: "dkim.partial", Value: partial && len(domains) > 0},
		{Name: "dkim.testing", Value: testing},
	}
}

// results are what goes into Authentication-Results (RFC 8601 section 2.7.1).
func results(list []mailauth.DKIMSignature) []message.AuthResult {
	if len(list) == 0 {
		return []message.AuthResult{{Method: "dkim", Result: "none"}}
	}
	out := make([]message.AuthResult, 0, len(list))
	for i, s := range list {
		a := message.AuthResult{Method: "dkim", Result: string(s.Result), Reason: s.Reason}
		for _, p := range [...]message.AuthProp{
			{Type: "header", Name: "d", Value: s.Domain},
			{Type: "header", Name: "i", Value: identity(s)},
			{Type: "header", Name: "s", Value: s.Selector},
			{Type: "header", Name: "a", Value: s.Algorithm},
			{Type: "header", Name: "b", Value: beginning(list, i)},
		} {
			if p.Value != "" {
				a.Props = append(a.Props, p)
			}
		}
		out = append(out, a)
	}
	return out
}

// identity returns i= where it says more than d=.
func identity(s mailauth.DKIMSignature) string {
	if s.Identity == "@"+s.Domain {
		return ""
	}
	return s.Identity
}

// beginning returns enough of b= to tell the signature from the others, at
// least 8 characters (RFC 6008 section 4).
func beginning(list []mailauth.DKIMSignature, i int) string {
	b, n := list[i].B, 8
	for j, other := range list {
		for j != i && n < len(b) && n < 40 && strings.HasPrefix(other.B, b[:n]) {
			n++
		}
	}
	return b[:min(n, len(b))]
}
