package main

import "time"

// dnsFlags are the flags of every command that asks DNS. Embed them; resolver
// opens what they name.
type dnsFlags struct {
	Resolver        string `placeholder:"ADDR:PORT" help:"Ask this DNS server instead of the system's."`
	ResolverTrustAD bool   `name:"resolver-trust-ad" help:"Trust that server's DNSSEC verdict (AD)."`
	Zone            string `placeholder:"FILE" help:"Answer from this zone file (YAML) and ask no server."`
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
