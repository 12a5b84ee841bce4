package urilist

import (
	"cmp"
	"crypto"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dnslist"
)

// Bounds and defaults.
const (
	maxLists       = 32
	maxCodes       = 256
	maxSkip        = 10000
	limitLookups   = 500
	defaultLookups = 60
	defaultWait    = 2 * time.Second
)

// Options of the lists.
type Options struct {
	// Lists are the DNS lists to ask. Default none.
	Lists []List `yaml:"lists"`
	// Wait is how long lists may take after the end of the message; those that
	// have not answered by then do not count. Default 2s.
	Wait time.Duration `yaml:"wait"`
	// MaxLookups is how many questions a message may cause at all lists
	// together, at most 500. A quarter is kept for what comes last. Default 60.
	MaxLookups int `yaml:"max_lookups"`
	// Skip are domains that are not asked about, with what is below them. Domains
	// of this gateway never are, nor those of well-known brands, but for hosts of
	// their customers.
	Skip []string `yaml:"skip"`
}

// List is one DNS list.
type List struct {
	// Zone is the list's domain, with the key that the list has given you, if any.
	Zone string `yaml:"zone"`
	// Kind is what is listed: domain (the registrable domain: URIBL, SURBL), host
	// (the whole host name: DBL, ZRD), ip (the addresses of the host, which is
	// resolved), address (hashes of mail addresses) or file (hashes of files).
	// Default domain.
	Kind string `yaml:"kind"`
	// On says whose domains and hosts are asked about: link, sender or both.
	// Default both. For kind ip the default is link.
	On []string `yaml:"on"`
	// Score is the weight of a listing, negative for a list of the good. Default 1.
	Score *float64 `yaml:"score"`
	// Codes gives answers their own score and meaning; answers that it does not
	// name are then no listings. Keys are addresses, with octets like [4-7] or
	// [2;10-11], or networks: 127.0.1.0/24.
	Codes map[string]Code `yaml:"codes"`
	// Bits gives the bits of the last octet of an answer their own score and
	// meaning, as the combined lists of URIBL and SURBL have it; bits that it
	// does not name are no listings. Keys are 2, 4, 8 ... 128.
	Bits map[string]Code `yaml:"bits"`
	// Whether links with an IP address in place of a host are asked about, the
	// address reversed, in a list of kind domain or host. Never for DBL.
	Addresses bool `yaml:"addresses"`
	// Hash is sha1, sha256 or md5 for kind address (default sha1) and file
	// (default sha256).
	Hash string `yaml:"hash"`
	// Encoding of hashes is hex or base32. Default hex, for sha256 base32.
	Encoding string `yaml:"encoding"`
}

// Code is what an answer of a list means.
type Code struct {
	// Score is the weight of this answer. Default the list's.
	Score *float64 `yaml:"score"`
	// Meaning is said in the reason: "phishing".
	Meaning string `yaml:"meaning"`
}

// DefaultOptions returns the default of every option; Lists has none.
func DefaultOptions() Options { return Options{Wait: defaultWait, MaxLookups: defaultLookups} }

// Validate checks the options.
func (o Options) Validate() error {
	_, err := compile(o)
	return err
}

type kind uint8

const (
	byDomain kind = iota
	byHost
	byIP
	byAddress
	byFile
)

var kinds = map[string]kind{"": byDomain, "domain": byDomain, "host": byHost, "ip": byIP, "address": byAddress, "file": byFile}

// list is a List ready for use.
type list struct {
	zone         string
	kind         kind
	link, sender bool
	addresses    bool
	score        float64
	codes        []code
	bits         [8]*code
	masked       bool
	hash         crypto.Hash
	base32       bool
}

type code struct {
	dnslist.Pattern
	score   float64
	meaning string
}

func compile(o Options) ([]*list, error) {
	switch {
	case len(o.Lists) > maxLists:
		return nil, fmt.Errorf("urilist: more than %d lists", maxLists)
	case o.MaxLookups < 0 || o.MaxLookups > limitLookups:
		return nil, fmt.Errorf("urilist: max_lookups is not 1 to %d", limitLookups)
	case o.Wait < 0:
		return nil, fmt.Errorf("urilist: wait is negative")
	case len(o.Skip) > maxSkip:
		return nil, fmt.Errorf("urilist: more than %d domains to skip", maxSkip)
	}
	for _, s := range o.Skip {
		if _, ok := domain(s); !ok {
			return nil, fmt.Errorf("urilist: skip: %q is no domain", s)
		}
	}
	var all []*list
	for _, l := range o.Lists {
		c, err := l.compile()
		if err != nil {
			return nil, fmt.Errorf("urilist: zone %q: %w", l.Zone, err)
		}
		if slices.ContainsFunc(all, func(o *list) bool { return o.zone == c.zone && o.kind == c.kind }) {
			return nil, fmt.Errorf("urilist: zone %q is there twice", l.Zone)
		}
		all = append(all, c)
	}
	return all, nil
}

// domain returns a domain as names are asked for: of letters, digits, hyphens and
// underscores, where the DNS takes any octet.
func domain(s string) (string, bool) {
	name, ok := dns.Normal(s)
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}
	return name, ok && !strings.ContainsFunc(name, other)
}

func (l List) compile() (*list, error) {
	zone, ok := domain(l.Zone)
	if !ok {
		return nil, fmt.Errorf("not a domain name")
	}
	k, ok := kinds[l.Kind]
	if !ok {
		return nil, fmt.Errorf("kind %q is not one of domain, host, ip, address and file", l.Kind)
	}
	c := &list{zone: zone, kind: k, addresses: l.Addresses, score: 1}
	if l.Score != nil {
		c.score = *l.Score
	}
	if l.Addresses && k != byDomain && k != byHost {
		return nil, fmt.Errorf("addresses is for lists of kind domain and host")
	}
	for _, f := range []func(List) error{c.asks, c.hashes, c.addCodes, c.addBits} {
		if err := f(l); err != nil {
			return nil, err
		}
	}
	return c, finite(c.score)
}

func finite(score float64) error {
	if math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("the score %v is no number", score)
	}
	return nil
}

// asks reads whose domains are asked about.
func (c *list) asks(l List) error {
	if c.kind > byIP {
		if len(l.On) > 0 {
			return fmt.Errorf("on is for lists of domains, hosts and their addresses")
		}
		return nil
	}
	c.link, c.sender = len(l.On) == 0, len(l.On) == 0 && c.kind != byIP
	for _, on := range l.On {
		switch on {
		case "link":
			c.link = true
		case "sender":
			c.sender = true
		default:
			return fmt.Errorf("on: %q is neither link nor sender", on)
		}
	}
	return nil
}

// hashes reads how subjects are hashed.
func (c *list) hashes(l List) error {
	if c.kind < byAddress {
		if l.Hash != "" || l.Encoding != "" {
			return fmt.Errorf("hash and encoding are for lists of kind address and file")
		}
		return nil
	}
	switch {
	case l.Hash == "sha1", l.Hash == "" && c.kind == byAddress:
		c.hash = crypto.SHA1
	case l.Hash == "sha256", l.Hash == "":
		c.hash = crypto.SHA256
	case l.Hash == "md5":
		c.hash = crypto.MD5
	default:
		return fmt.Errorf("hash %q is not one of sha1, sha256 and md5", l.Hash)
	}
	switch l.Encoding {
	case "":
		c.base32 = c.hash == crypto.SHA256
	case "base32":
		c.base32 = true
	case "hex":
		if c.hash == crypto.SHA256 {
			return fmt.Errorf("sha256 in hex is longer than a label of the DNS may be")
		}
	default:
		return fmt.Errorf("encoding %q is neither hex nor base32", l.Encoding)
	}
	return nil
}

func (c *list) addCodes(l List) error {
	if len(l.Codes) > maxCodes {
		return fmt.Errorf("more than %d codes", maxCodes)
	}
	for key, v := range l.Codes {
		p, err := dnslist.ParsePattern(key)
		if err != nil {
			return err
		}
		x, err := c.code(key, v)
		if err != nil {
			return err
		}
		x.Pattern = p
		c.codes = append(c.codes, *x)
	}
	// The order of a map is nobody's.
	slices.SortFunc(c.codes, func(a, b code) int {
		return cmp.Or(strings.Compare(a.meaning, b.meaning), cmp.Compare(a.score, b.score))
	})
	return nil
}

func (c *list) addBits(l List) error {
	c.masked = len(l.Bits) > 0
	if c.masked && len(l.Codes) > 0 {
		return fmt.Errorf("codes and bits cannot both be there")
	}
	for key, v := range l.Bits {
		n, err := strconv.ParseUint(key, 10, 8)
		i := slices.Index([]uint64{1, 2, 4, 8, 16, 32, 64, 128}, n)
		if err != nil || i < 1 {
			return fmt.Errorf("bits: %q is not one of 2, 4, 8 ... 128", key)
		}
		x, err := c.code(key, v)
		if err != nil {
			return err
		}
		c.bits[i] = x
	}
	return nil
}

func (c *list) code(key string, v Code) (*code, error) {
	x := &code{score: c.score, meaning: dnslist.Clean(v.Meaning)}
	if v.Score != nil {
		x.score = *v.Score
	}
	if err := finite(x.score); err != nil {
		return nil, fmt.Errorf("code %s: %w", key, err)
	}
	return x, nil
}
