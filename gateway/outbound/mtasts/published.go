package mtasts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Published is a policy of one of our own domains, for others to fetch.
type Published struct {
	// Domain that the policy is for.
	Domain string `yaml:"domain"`
	// Mode: testing, enforce or none. Begin with testing, and read the reports.
	Mode Mode `yaml:"mode"`
	// MX are the domain's mail exchangers, or patterns such as *.example.org.
	MX []string `yaml:"mx"`
	// MaxAge is for how long others keep the policy. Default 168h.
	MaxAge time.Duration `yaml:"max_age"`
}

// defaultAge is of policies that we publish.
const defaultAge = 7 * 24 * time.Hour

// Policy returns the policy itself.
func (p Published) Policy() *Policy {
	out := &Policy{Mode: p.Mode, MaxAge: p.MaxAge, MX: p.MX}
	if out.MaxAge <= 0 {
		out.MaxAge = defaultAge
	}
	return out
}

// Record returns the record of the domain: its id changes with the policy.
func (p Published) Record() Record {
	sum := sha256.Sum256([]byte(p.Policy().String()))
	return Record{ID: hex.EncodeToString(sum[:10])}
}

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	seen := map[string]bool{}
	for _, p := range o.Policies {
		name, ok := dns.Normal(p.Domain)
		if !ok || !hostName(name) || !strings.Contains(name, ".") {
			return fmt.Errorf("mta_sts: %q is no domain", p.Domain)
		}
		if seen[name] {
			return fmt.Errorf("mta_sts: %s has two policies", name)
		}
		seen[name] = true
		if _, err := ParsePolicy([]byte(p.Policy().String())); err != nil {
			return fmt.Errorf("mta_sts: %s: %w", name, err)
		}
	}
	return nil
}

// For returns the policy that the options have for a domain.
func (o *Options) For(domain string) (Published, bool) {
	name, _ := dns.Normal(domain)
	for _, p := range o.Policies {
		if own, _ := dns.Normal(p.Domain); own == name {
			return p, true
		}
	}
	return Published{}, false
}
