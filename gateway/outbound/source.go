package outbound

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Pool is a set of local addresses that some mail leaves from.
type Pool struct {
	// Name by which the policy chooses it. The one called default is for all
	// mail for which none is chosen.
	Name string `yaml:"name"`
	// Its addresses.
	Sources []Source `yaml:"sources"`
	// Lanes whose mail takes it.
	Lanes []string `yaml:"lanes"`
	// Recipients' domains whose mail takes it.
	Domains []string `yaml:"domains"`
	// Pool that takes what the allowances of addresses that are being warmed
	// up leave over. Default: it waits for the next day.
	Spill string `yaml:"spill"`
}

// Source is one address of a pool.
type Source struct {
	// Address of this machine.
	Address netip.Addr `yaml:"address"`
	// Its name in EHLO, to which its PTR record should point. Default: the
	// gateway's.
	Hello string `yaml:"hello"`
	// Share of the mail beside the other addresses'; default 1.
	Weight int `yaml:"weight"`
	// For an address that servers do not know yet.
	Warmup *Warmup `yaml:"warmup"`
}

// Warmup lets an address send a little more every day.
type Warmup struct {
	// First day, such as 2026-11-30, in UTC.
	Start string `yaml:"start"`
	// Messages on the first day, the second and so on; after the last day as
	// many as there are.
	Days []int `yaml:"days"`
}

// source is a Source that was read; the zero value is the system's choice.
type source struct {
	addr   netip.Addr
	hello  string
	weight int
	start  time.Time
	days   []int
}

// String is the address, for logs.
func (s *source) String() string {
	if !s.addr.IsValid() {
		return "any"
	}
	return s.addr.String()
}

// sourcePool is a Pool that was read.
type sourcePool struct {
	name    string
	list    []*source
	lanes   []string
	domains names
	spill   *sourcePool
}

// pools finds the pool of a job.
type pools struct {
	list   []*sourcePool
	byName map[string]*sourcePool
	hello  string
}

// poolName is what the policy takes for the name of a pool.
var poolName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Bounds of pools.
const (
	maxPools   = 200
	maxSources = 1000 // of one pool
	maxDays    = 366
	maxWeight  = 1000
)

func newPools(list []Pool, hello string) (*pools, error) {
	p := &pools{byName: map[string]*sourcePool{}, hello: hello}
	if len(list) > maxPools {
		return nil, fmt.Errorf("pools: more than %d", maxPools)
	}
	for i, x := range list {
		at := fmt.Sprintf("pools[%d]", i)
		y := &sourcePool{name: x.Name, lanes: x.Lanes}
		var err error
		if y.domains, err = newNames(x.Domains); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		switch {
		case x.Name == "":
			return nil, fmt.Errorf("%s: name is missing", at)
		case !poolName.MatchString(x.Name):
			return nil, fmt.Errorf("%s: name: %q is not of letters a to z, digits, dots, hyphens and underscores", at, x.Name)
		case p.byName[x.Name] != nil:
			return nil, fmt.Errorf("%s: %q is there twice", at, x.Name)
		case len(x.Sources) == 0 || len(x.Sources) > maxSources:
			return nil, fmt.Errorf("%s: from 1 to %d sources are wanted", at, maxSources)
		}
		for k, s := range x.Sources {
			z, err := newSource(s, hello)
			if err != nil {
				return nil, fmt.Errorf("%s: sources[%d]: %w", at, k, err)
			}
			y.list = append(y.list, z)
		}
		p.list, p.byName[x.Name] = append(p.list, y), y
	}
	return p, p.link(list)
}

// link finds the pools that others spill over to; a circle ends nowhere.
func (p *pools) link(list []Pool) error {
	for i, x := range list {
		if x.Spill == "" {
			continue
		}
		if p.list[i].spill = p.byName[x.Spill]; p.list[i].spill == nil {
			return fmt.Errorf("pools[%d]: spill: there is no pool %q", i, x.Spill)
		}
		n := 0
		for y := p.list[i]; y != nil; y = y.spill {
			if n++; n > len(list) {
				return fmt.Errorf("pools[%d]: spill leads back to it", i)
			}
		}
	}
	return nil
}

func newSource(s Source, hello string) (*source, error) {
	x := &source{addr: s.Address.Unmap(), hello: s.Hello, weight: s.Weight}
	if x.hello == "" {
		x.hello = hello
	}
	if x.weight == 0 {
		x.weight = 1
	}
	switch {
	case !x.addr.IsValid() || x.addr.IsUnspecified() || x.addr.IsMulticast():
		return nil, errors.New("address is missing, or none that mail can come from")
	case s.Hello != "" && smtp.CheckDomain(s.Hello, 0) != nil:
		return nil, fmt.Errorf("hello: %q is no name", s.Hello)
	case x.weight < 1 || x.weight > maxWeight:
		return nil, fmt.Errorf("weight: from 1 to %d", maxWeight)
	case s.Warmup == nil:
		return x, nil
	}
	var err error
	if x.start, err = time.Parse(time.DateOnly, s.Warmup.Start); err != nil {
		return nil, fmt.Errorf("warmup: start: %q is no day like 2026-11-30", s.Warmup.Start)
	}
	if x.days = s.Warmup.Days; len(x.days) == 0 || len(x.days) > maxDays || slices.Min(x.days) < 0 {
		return nil, fmt.Errorf("warmup: days: from 1 to %d numbers of messages are wanted", maxDays)
	}
	return x, nil
}

// allowance is how many messages the source may send on a day; below 0: as
// many as there are. Before its first day it sends none.
func (s *source) allowance(day time.Time) int {
	if s.days == nil {
		return -1
	}
	n := int(day.Sub(s.start) / (24 * time.Hour))
	switch {
	case day.Before(s.start):
		return 0
	case n >= len(s.days):
		return -1
	}
	return s.days[n]
}

// of returns the pool of mail to a domain: the one that the policy chose, that
// of its lane, that of the domain, the default one; nil: the system chooses the
// address.
func (p *pools) of(domain string, how gateway.Queueing) *sourcePool {
	if len(p.list) == 0 {
		return nil
	}
	if x := p.byName[how.Pool]; x != nil {
		return x
	}
	if how.Lane != "" {
		for _, x := range p.list {
			if slices.Contains(x.lanes, how.Lane) {
				return x
			}
		}
	}
	for _, x := range p.list {
		if x.domains.has(domain) {
			return x
		}
	}
	return p.byName["default"]
}

// choice is why an address cannot be sent to from any source of a pool.
type choice uint8

const (
	chosen  choice = iota
	noKind         // none of the kind of address
	allGone        // this machine has none of them
	allUsed        // the day's allowances are used up
	allShut        // all are on block lists
)

// choose picks a source for an address by weight, and counts a message for it.
// Those that the destination wants nothing from now, or that the address does
// not answer, are the last choice.
func (t *Transport) choose(p *sourcePool, to netip.AddrPort, site string) (*source, choice) {
	if p == nil {
		return &t.system, chosen
	}
	why := noKind
	for n := 0; p != nil; p, n = p.spill, n+1 {
		left := make([]*source, 0, len(p.list))
		for _, s := range p.list {
			switch {
			case s.addr.Is4() != to.Addr().Is4():
			case t.gone(s.addr):
				why = max(why, allGone)
			case t.shut(s.addr):
				why = max(why, allShut)
			default:
				left = append(left, s)
			}
		}
		for len(left) > 0 {
			s := t.pick(left, to, site)
			if t.deps.State.warmup.take(s, time.Now()) {
				return s, chosen
			}
			why = max(why, allUsed)
			left = slices.DeleteFunc(left, func(x *source) bool { return x == s })
		}
	}
	return nil, why
}

// gone tells whether the machine was found not to have the address of a source.
func (t *Transport) gone(a netip.Addr) bool {
	why, _ := t.deps.State.dead.get(recentKey{from: a})
	return why != nil
}

// pick draws one by weight.
func (t *Transport) pick(list []*source, to netip.AddrPort, site string) *source {
	if len(list) == 1 {
		return list[0]
	}
	open := make([]*source, 0, len(list))
	for _, s := range list {
		if why, _ := t.deps.State.dead.get(recentKey{to, s.addr}); why == nil && !t.deps.State.sites.paused(siteKey{site, s.addr}) {
			open = append(open, s)
		}
	}
	if len(open) > 0 {
		list = open
	}
	sum := 0
	for _, s := range list {
		sum += s.weight
	}
	n := rand.IntN(sum)
	for _, s := range list {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	return list[0]
}
