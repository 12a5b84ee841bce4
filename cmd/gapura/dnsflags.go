package main

import (
	"errors"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// dnsFlags are the flags of every command that asks DNS. Embed them; open
// returns the resolver that they name.
type dnsFlags struct {
	Resolver        string `placeholder:"ADDR:PORT" help:"Ask this DNS server instead of the system's."`
	ResolverTrustAD bool   `name:"resolver-trust-ad" help:"Trust that server's DNSSEC verdict (AD)."`
	Zone            string `placeholder:"FILE" help:"Answer from this zone file (YAML) and ask no server."`
}

// open returns the resolver of the flags, without a cache from run to run.
func (f dnsFlags) open() (dns.Resolver, error) {
	if f.Zone != "" {
		if f.Resolver != "" {
			return nil, usageError{errors.New("--zone and --resolver exclude each other")}
		}
		return dns.LoadZone(f.Zone)
	}
	opt := dns.Options{TrustAD: f.ResolverTrustAD}
	if f.Resolver != "" {
		opt.Resolvers = []string{f.Resolver}
	}
	return dns.NewClient(opt)
}

// timeFlag is the flag of commands in which a clock matters.
type timeFlag struct {
	Time time.Time `placeholder:"RFC3339" help:"Judge as if it were this time."`
}

// now returns the time that the flag names, or the clock's.
func (t timeFlag) now() time.Time {
	if t.Time.IsZero() {
		return time.Now()
	}
	return t.Time
}
