package headers

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Defaults of Options.
const (
	defaultFuture = 24 * time.Hour
	defaultPast   = 30 * 24 * time.Hour
	maxWait       = 4 * time.Second
)

// Options of the filter.
type Options struct {
	// Future is how far ahead of now a Date may be. Default 24h.
	Future time.Duration `yaml:"future"`
	// Past is how old a Date may be. Default 720h.
	Past time.Duration `yaml:"past"`
	// OwnNames are names and addresses by which no stranger may call itself
	// in HELO, besides the gateway's hostname, its domains, and the address
	// that was connected to.
	OwnNames []string `yaml:"own_names"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Future: defaultFuture, Past: defaultPast} }

// Validate checks the options.
func (o Options) Validate() error {
	for _, name := range o.OwnNames {
		if _, ip := address(name); !ip && smtp.CheckDomain(strings.TrimSuffix(name, "."), smtp.Underscore) != nil {
			return fmt.Errorf("headers: own_names: %q is no domain name or address", name)
		}
	}
	return nil
}

// Filter judges HELO, the client's name and the form of the header.
type Filter struct {
	opt      Options
	own      map[string]bool     // names, as ASCIIDomain writes them
	ownIP    map[netip.Addr]bool // unmapped
	resolver dns.Resolver
}

// New returns the filter. own are names that are ours: the hostname and the
// domains that are delivered.
func New(opt Options, own []string, r dns.Resolver) (*Filter, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	opt.Future, opt.Past = cmp.Or(opt.Future, defaultFuture), cmp.Or(opt.Past, defaultPast)
	f := &Filter{opt: opt, own: map[string]bool{}, ownIP: map[netip.Addr]bool{}, resolver: r}
	for _, list := range [][]string{own, opt.OwnNames} {
		for _, name := range list {
			if ip, ok := address(name); ok {
				f.ownIP[ip] = true
			} else if name, err := smtp.ASCIIDomain(strings.TrimSuffix(name, ".")); err == nil {
				f.own[name] = true
			}
		}
	}
	return f, nil
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "headers" }

// Stages implements gateway.Staged.
func (f *Filter) Stages() []gateway.Stage {
	return []gateway.Stage{gateway.StageConnect, gateway.StageHelo}
}

// Check judges the client's name and HELO. It never fails: look-ups that do
// not end in time are temperror.
func (f *Filter) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	wait := maxWait
	if t, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(t)*9/10)
	}
	within := deadline.After(ctx, wait)
	defer within.Cancel()
	switch stage {
	case gateway.StageConnect:
		return f.client(within, tx.Session), nil
	case gateway.StageHelo:
		return f.helo(within, tx.Session), nil
	}
	return gateway.Verdict{}, nil
}

// Read implements gateway.BodyFilter. It reads nothing but the header.
func (f *Filter) Read(_ context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	return reading(f.judge(m.Header(), tx)), nil
}

// reading is the facts about a header.
type reading []gateway.Fact

// Conclude implements gateway.Reading.
func (r reading) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: r}, nil
}

// address reads an address, with or without the brackets of a literal.
func address(s string) (netip.Addr, bool) {
	if ip, ok := smtp.ParseLiteral(s); ok {
		return ip.Unmap(), true
	}
	ip, err := netip.ParseAddr(s)
	return ip.Unmap().WithZone(""), err == nil
}
