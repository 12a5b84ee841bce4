package outbound

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Options say how mail leaves. Zero values become those of DefaultOptions.
type Options struct {
	Way `yaml:",inline"`
	// Ways of some mail; the first entry that fits counts.
	Routes []Route `yaml:"routes"`
	// Sets of local addresses that mail leaves from. Default: the system
	// chooses the address.
	Pools []Pool `yaml:"pools"`
	// Connections to one destination at the same time, from one source: to all
	// hosts of one operator together.
	PerDestination int `yaml:"per_destination"`
	// Messages over one connection.
	Messages int `yaml:"messages"`
	// How much mail some destinations get. Limits of large operators are
	// built in; entries here come before them.
	Shapes []Shape `yaml:"shapes"`
	// Files that say what servers' refusals mean, asked before what is built
	// in.
	Rules []string `yaml:"rules"`
	// Watches whether our addresses are on block lists.
	Listings Listings `yaml:"listings"`
	// Port of the servers that the DNS names, for tests.
	Port int `yaml:"port"`
	// Networks that may be delivered to although the DNS should not lead
	// there: loopback, link-local or this machine's own addresses.
	Allow []netip.Prefix `yaml:"allow"`
	// Addresses under which others reach this gateway, where translation of
	// addresses hides them from it. A mail exchanger there is this gateway.
	Own []netip.Prefix `yaml:"own"`
	// Whether mail to address literals such as user@[192.0.2.1] is delivered.
	AddressLiterals bool `yaml:"address_literals"`
	// Kinds of addresses that are tried, ipv6 and ipv4, the first one first.
	Families []string `yaml:"families"`
	// What TLS connections need: none; opportunistic, that is DANE or MTA-STS
	// where the destination publishes it, else TLS where it goes; encrypt, no
	// plaintext; verify, a certificate of an authority for the host's name;
	// dane-only.
	TLS string `yaml:"tls"`
	// What TLS some destinations need; the first entry that fits counts.
	TLSPolicy []TLSPolicy `yaml:"tls_policy"`
	// PEM file of the authorities that may vouch for servers. Default: the
	// system's.
	CA string `yaml:"ca"`
	// Whether DANE (RFC 7672) is done. It needs a resolver that validates.
	DANE *bool `yaml:"dane"`
	// Whether MTA-STS (RFC 8461) is done.
	STS *bool `yaml:"sts"`
	// Hosts of a destination that one attempt tries.
	Hosts int `yaml:"hosts"`
	// Addresses of one host that one attempt tries.
	Addresses int `yaml:"addresses"`
	// How long one attempt at a message may take in all.
	Timeout time.Duration `yaml:"timeout"`
	// How long the parts of a dialogue may take.
	Timeouts Timeouts `yaml:"timeouts"`
	// Connections to all servers together.
	Connections int `yaml:"connections"`
	// Idle connections that are kept.
	Idle int `yaml:"idle"`
	// How long an idle connection is kept.
	IdleTime time.Duration `yaml:"idle_time"`
	// Whether messages are sent by BDAT where CHUNKING is offered.
	Chunking *bool `yaml:"chunking"`
}

// TLSPolicy is what TLS some destinations need.
type TLSPolicy struct {
	// Recipients' domains that it is for: a domain, or *.domain for what is
	// below it.
	Domains []string `yaml:"domains"`
	// Mail exchangers that it is for, written alike; with domains, both count.
	MX []string `yaml:"mx"`
	// What is needed: a word as for tls.
	Level string `yaml:"level"`
	// Names of which the certificate must have one, with verify. Default: the
	// mail exchanger's.
	Names []string `yaml:"names"`
}

// Timeouts of a dialogue; those of RFC 5321 section 4.5.3.2 where it names
// one.
type Timeouts struct {
	// Until a connection is there.
	Connect time.Duration `yaml:"connect"`
	// For a TLS handshake.
	TLS time.Duration `yaml:"tls"`
	// For the greeting.
	Greeting time.Duration `yaml:"greeting"`
	// For the reply to any command but DATA.
	Command time.Duration `yaml:"command"`
	// For the reply to DATA.
	Data time.Duration `yaml:"data"`
	// For 256 KiB of the message to be taken.
	Block time.Duration `yaml:"block"`
	// For the reply to the whole message.
	Done time.Duration `yaml:"done"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	yes := true
	return Options{
		Way: Way{Route: "mx", Verify: &yes}, Port: 25, Families: []string{"ipv6", "ipv4"}, Hosts: 5, Addresses: 4, Timeout: 20 * time.Minute,
		Timeouts: Timeouts{
			Connect: 30 * time.Second, TLS: time.Minute, Greeting: 5 * time.Minute, Command: 5 * time.Minute,
			Data: 2 * time.Minute, Block: 3 * time.Minute, Done: 10 * time.Minute,
		},
		Connections: 1000, Idle: 200, IdleTime: 5 * time.Second, Chunking: &yes,
		PerDestination: 20, Messages: 100, Listings: Listings{Interval: time.Hour},
		TLS: levelOpportunistic, DANE: &yes, STS: &yes,
	}
}

// Bounds of options.
const (
	maxHosts     = 20
	maxAddresses = 16
)

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	o.Route = cmp.Or(o.Route, d.Route)
	o.Verify = cmp.Or(o.Verify, d.Verify)
	o.Port = cmp.Or(o.Port, d.Port)
	if len(o.Families) == 0 {
		o.Families = d.Families
	}
	o.Hosts = cmp.Or(o.Hosts, d.Hosts)
	o.Addresses = cmp.Or(o.Addresses, d.Addresses)
	o.Timeout = cmp.Or(o.Timeout, d.Timeout)
	o.Timeouts = o.Timeouts.withDefaults(d.Timeouts)
	o.Connections = cmp.Or(o.Connections, d.Connections)
	o.Idle = cmp.Or(o.Idle, d.Idle)
	o.IdleTime = cmp.Or(o.IdleTime, d.IdleTime)
	o.Chunking = cmp.Or(o.Chunking, d.Chunking)
	o.TLS = cmp.Or(o.TLS, d.TLS)
	o.PerDestination = cmp.Or(o.PerDestination, d.PerDestination)
	o.Messages = cmp.Or(o.Messages, d.Messages)
	o.Listings.Interval = cmp.Or(o.Listings.Interval, d.Listings.Interval)
	o.DANE, o.STS = cmp.Or(o.DANE, d.DANE), cmp.Or(o.STS, d.STS)
	return o
}

func (t Timeouts) withDefaults(d Timeouts) Timeouts {
	return Timeouts{
		cmp.Or(t.Connect, d.Connect), cmp.Or(t.TLS, d.TLS), cmp.Or(t.Greeting, d.Greeting), cmp.Or(t.Command, d.Command),
		cmp.Or(t.Data, d.Data), cmp.Or(t.Block, d.Block), cmp.Or(t.Done, d.Done),
	}
}

// Validate tells what is wrong with o; it opens nothing.
func (o Options) Validate() error { return o.withDefaults().check() }

// CheckFiles tells what is wrong with the files that the options name.
func (o Options) CheckFiles() []error {
	_, err := Roots(o.CA)
	_, _, rules := readRules(o.Rules)
	return []error{err, rules}
}

func (o Options) check() error {
	if _, err := newRouting(o); err != nil {
		return err
	}
	if _, err := newTLSRules(o); err != nil {
		return err
	}
	if _, err := newPools(o.Pools, ""); err != nil {
		return err
	}
	if err := new(shapes).add(o.Shapes); err != nil {
		return err
	}
	if err := o.Listings.check(); err != nil {
		return err
	}
	for _, f := range o.Families {
		if f != "ipv6" && f != "ipv4" {
			return fmt.Errorf("families: %q is neither ipv6 nor ipv4", f)
		}
	}
	switch {
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("port: %d is no port", o.Port)
	case o.Hosts < 1 || o.Hosts > maxHosts:
		return fmt.Errorf("hosts: from 1 to %d", maxHosts)
	case o.Addresses < 1 || o.Addresses > maxAddresses:
		return fmt.Errorf("addresses: from 1 to %d", maxAddresses)
	case o.PerDestination < 1 || o.Messages < 1:
		return errors.New("per_destination: must be at least 1, as messages")
	case o.Connections < 1 || o.Idle < 0:
		return errors.New("connections: must be at least 1, and idle not negative")
	}
	return nil
}
