package spf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Options configure the filter.
type Options struct {
	// How many look-ups of a check may find nothing before the record counts
	// as broken (RFC 7208 section 4.6.4). Default 2, at most 10.
	VoidLookups int `yaml:"void_lookups"`
	// Whether the name in HELO or EHLO is left unchecked.
	SkipHelo bool `yaml:"skip_helo"`
}

const maxVoidLookups = 10

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{VoidLookups: mailauth.SPFMaxVoidLookups} }

// Validate checks the options.
func (opt Options) Validate() error {
	if opt.VoidLookups < 0 || opt.VoidLookups > maxVoidLookups {
		return fmt.Errorf("spf: void_lookups: %d is not within 0 and %d", opt.VoidLookups, maxVoidLookups)
	}
	return nil
}

// Filter implements gateway.Filter.
type Filter struct {
	opt      Options
	resolver dns.Resolver
	hostname string
}

var (
	_ gateway.Filter = (*Filter)(nil)
	_ gateway.Staged = (*Filter)(nil)
)

// New returns the filter, which asks r; hostname is our own name, for domains
// that put it into explanations.
func New(opt Options, r dns.Resolver, hostname string) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errors.New("spf: no resolver")
	}
	return &Filter{opt, r, hostname}, nil
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "spf" }

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	const helo, mail = gateway.StageHelo, gateway.StageMail
	return []gateway.Field{
		{Name: "spf.result", Type: gateway.String, Default: "none", Stage: mail, Doc: "SPF of the MAIL FROM address, of the HELO name when the sender is null: none, neutral, pass, fail, softfail, temperror or permerror. none as well where SPF is not checked: clients that are authenticated or may relay."},
		{Name: "spf.domain", Type: gateway.String, Stage: mail, Doc: "Domain that spf.result is about, lower case, A-labels."},
		{Name: "spf.mechanism", Type: gateway.String, Stage: mail, Doc: `Term of the SPF record that decided, as published, such as "-all"; "default" when none matched.`},
		{Name: "spf.explanation", Type: gateway.String, Stage: mail, Doc: "What the domain's owner says about a fail (exp=); the owner's words, printable US-ASCII, 500 octets at most."},
		{Name: "spf.lookups", Type: gateway.Int, Stage: mail, Doc: "Terms of the record that asked the DNS; more than 10 make a permerror."},
		{Name: "spf.helo_result", Type: gateway.String, Default: "none", Stage: helo, Doc: "SPF of the name in HELO or EHLO, in the words of spf.result."},
		{Name: "spf.helo_domain", Type: gateway.String, Stage: helo, Doc: "The name in HELO or EHLO where it is one that can be checked, lower case, A-labels."},
	}
}

// Stages implements gateway.Staged.
func (f *Filter) Stages() []gateway.Stage {
	if f.opt.SkipHelo {
		return []gateway.Stage{gateway.StageMail}
	}
	return []gateway.Stage{gateway.StageHelo, gateway.StageMail}
}

// Check implements gateway.Filter.
func (f *Filter) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	s := tx.Session
	if s.User != "" || s.Relay || !s.Remote.IsValid() {
		return gateway.Verdict{}, nil
	}
	within := withinDeadline(ctx)
	defer within.Cancel()
	in := mailauth.SPFInput{IP: s.Remote.Addr(), Helo: s.Helo, Receiver: f.hostname, Now: tx.Now}
	opt := mailauth.SPFOptions{MaxVoidLookups: f.opt.VoidLookups}
	switch stage {
	case gateway.StageHelo:
		return heloVerdict(mailauth.CheckSPFHelo(within, f.resolver, in, opt), s.Helo), nil
	case gateway.StageMail:
		if !tx.From.IsNull() {
			in.MailFrom = tx.From.Local + "@" + tx.From.Domain
		}
		return f.mailVerdict(mailauth.CheckSPF(within, f.resolver, in, opt), tx), nil
	}
	return gateway.Verdict{}, nil
}

// withinDeadline leaves a tenth of the time, so that a DNS that does not
// answer is a temperror, not an overdue filter.
func withinDeadline(ctx context.Context) *deadline.Context {
	d, ok := ctx.Deadline()
	if !ok {
		return deadline.Cancellable(ctx)
	}
	return deadline.After(ctx, time.Until(d)*9/10)
}

func heloVerdict(r mailauth.SPFResult, helo string) gateway.Verdict {
	v := gateway.Verdict{Facts: []gateway.Fact{
		{Name: "spf.helo_result", Value: string(r.Result)},
		{Name: "spf.helo_domain", Value: r.Domain},
	}}
	if r.Domain != "" { // else there is no such identity
		v.Results = result(r, "helo", helo)
	}
	return v
}

func (f *Filter) mailVerdict(r mailauth.SPFResult, tx *gateway.Transaction) gateway.Verdict {
	v := gateway.Verdict{Facts: []gateway.Fact{
		{Name: "spf.result", Value: string(r.Result)},
		{Name: "spf.domain", Value: r.Domain},
		{Name: "spf.mechanism", Value: r.Mechanism},
		{Name: "spf.explanation", Value: r.Explanation},
		{Name: "spf.lookups", Value: int64(r.Lookups)},
	}}
	switch {
	case !tx.From.IsNull():
		v.Results = result(r, "mailfrom", tx.From.String())
	case f.opt.SkipHelo: // else told at HELO
		v.Results = result(r, "helo", tx.Session.Helo)
	}
	return v
}

// result is what goes into Authentication-Results (RFC 8601 section 2.7.2).
func result(r mailauth.SPFResult, property, value string) []message.AuthResult {
	a := message.AuthResult{
		Method: "spf", Result: string(r.Result),
		Props: []message.AuthProp{{Type: "smtp", Name: property, Value: value}},
	}
	if r.Result == mailauth.TempError || r.Result == mailauth.PermError {
		a.Reason = r.Reason[:min(len(r.Reason), maxReason)]
	}
	return []message.AuthResult{a}
}

const maxReason = 200 // octets
