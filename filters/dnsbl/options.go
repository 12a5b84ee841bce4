package dnsbl

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dnslist"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Bounds and defaults.
const (
	maxZones    = 64
	maxCodes    = 256
	defaultWait = 3 * time.Second
)

// Options of the filter.
type Options struct {
	// Zones are the lists to ask.
	Zones []Zone `yaml:"zones"`
	// Wait is how long lists may take; those that have not answered by then
	// do not count. It ends before the filter's timeout in any case. Default
	// 3s.
	Wait time.Duration `yaml:"wait"`
	// Whether the text by which a list explains a listing is left alone.
	NoText bool `yaml:"no_text"`
	// Whether private and loopback addresses are looked up too.
	Private bool `yaml:"private"`
}

// Zone is one DNS list.
type Zone struct {
	// Zone is the list's domain.
	Zone string `yaml:"zone"`
	// Score is the weight of a listing: positive for block lists, where it is
	// 1 when left out, and negative for allow lists, where it is -1.
	Score *float64 `yaml:"score"`
	// Type is block or allow. Default block.
	Type string `yaml:"type"`
	// Kind is what is listed: ip or domain. Default ip.
	Kind string `yaml:"kind"`
	// On says which domains are looked up in a list of kind domain: helo,
	// sender or both. Default both.
	On []string `yaml:"on"`
	// Codes gives answers their own score and meaning; answers that it does
	// not name are then no listings. Keys are addresses, with octets like
	// [4-7] or [2;10-11], or networks: 127.0.1.0/24.
	Codes map[string]Code `yaml:"codes"`
	// Whether IPv6 addresses are looked up. Default true.
	IPv6 *bool `yaml:"ipv6"`
}

// Code is what an answer of a list means.
type Code struct {
	// Score is the weight of this answer. Default the zone's.
	Score *float64 `yaml:"score"`
	// Meaning is said in the reason: "open proxy".
	Meaning string `yaml:"meaning"`
}

// DefaultOptions returns the default of every option; Zones has none.
func DefaultOptions() Options { return Options{Wait: defaultWait} }

// Validate checks the options.
func (o Options) Validate() error {
	_, err := compile(o)
	return err
}

// zone is a Zone ready for use.
type zone struct {
	name  string
	allow bool
	on    [3]bool // by identity
	six   bool
	score float64
	codes []code
}

type code struct {
	dnslist.Pattern
	score   float64
	meaning string
}

func compile(o Options) ([]*zone, error) {
	if len(o.Zones) == 0 {
		return nil, fmt.Errorf("dnsbl: no zones")
	}
	if len(o.Zones) > maxZones {
		return nil, fmt.Errorf("dnsbl: more than %d zones", maxZones)
	}
	var list []*zone
	for _, z := range o.Zones {
		c, err := z.compile()
		if err != nil {
			return nil, fmt.Errorf("dnsbl: zone %q: %w", z.Zone, err)
		}
		if slices.ContainsFunc(list, func(o *zone) bool { return o.name == c.name && o.on[client] == c.on[client] }) {
			return nil, fmt.Errorf("dnsbl: zone %q is there twice", z.Zone)
		}
		list = append(list, c)
	}
	return list, nil
}

func (z Zone) compile() (*zone, error) {
	name, ok := dns.Normal(z.Zone)
	if !ok || smtp.CheckDomain(name, smtp.Underscore) != nil {
		return nil, fmt.Errorf("not a domain name")
	}
	c := &zone{name: name, six: z.IPv6 == nil || *z.IPv6}
	switch z.Type {
	case "", "block":
		c.score = 1
	case "allow":
		c.allow, c.score = true, -1
	default:
		return nil, fmt.Errorf("type %q is neither block nor allow", z.Type)
	}
	if z.Score != nil {
		c.score = *z.Score
	}
	if err := c.asks(z); err != nil {
		return nil, err
	}
	if err := c.weight(c.score); err != nil {
		return nil, err
	}
	return c, c.addCodes(z.Codes)
}

// asks reads what is looked up in the list.
func (c *zone) asks(z Zone) error {
	switch z.Kind {
	case "", "ip":
		if len(z.On) > 0 {
			return fmt.Errorf("on is for lists of kind domain")
		}
		c.on[client] = true
		return nil
	case "domain":
		c.on[helo], c.on[sender] = len(z.On) == 0, len(z.On) == 0
	default:
		return fmt.Errorf("kind %q is neither ip nor domain", z.Kind)
	}
	for _, on := range z.On {
		switch on {
		case "helo":
			c.on[helo] = true
		case "sender":
			c.on[sender] = true
		default:
			return fmt.Errorf("on: %q is neither helo nor sender", on)
		}
	}
	return nil
}

// weight refuses scores that would turn a list into its contrary.
func (c *zone) weight(score float64) error {
	if math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("the score %v is no number", score)
	}
	if c.allow && score > 0 {
		return fmt.Errorf("the score %v of an allow list is not negative", score)
	}
	if !c.allow && score < 0 {
		return fmt.Errorf("the score %v of a block list is negative; is it of type allow?", score)
	}
	return nil
}

func (c *zone) addCodes(codes map[string]Code) error {
	if len(codes) > maxCodes {
		return fmt.Errorf("more than %d codes", maxCodes)
	}
	keys := make([]string, 0, len(codes))
	for k := range codes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		p, err := dnslist.ParsePattern(k)
		if err != nil {
			return err
		}
		score := c.score
		if s := codes[k].Score; s != nil {
			score = *s
		}
		if err := c.weight(score); err != nil {
			return fmt.Errorf("code %s: %w", k, err)
		}
		c.codes = append(c.codes, code{p, score, dnslist.Clean(codes[k].Meaning)})
	}
	return nil
}
