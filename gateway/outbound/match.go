package outbound

import (
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// names is a set of domain names: a name, "*.name" for all below it, or "*".
// An address with "@" in it is itself.
type names struct {
	exact map[string]bool
	under map[string]bool
	all   bool
}

// newNames reads patterns.
func newNames(patterns []string) (names, error) {
	n := names{exact: map[string]bool{}, under: map[string]bool{}}
	for _, p := range patterns {
		switch rest, below := strings.CutPrefix(p, "*."); {
		case p == "*":
			n.all = true
		case strings.Contains(p, "@"):
			a, err := smtp.ParseMailbox(p, smtp.UTF8|smtp.Underscore)
			if err != nil {
				return n, fmt.Errorf("%q: %w", p, err)
			}
			n.exact[addressKey(a)] = true
		default:
			d, err := smtp.ASCIIDomain(rest)
			if err == nil && !strings.HasPrefix(d, "[") {
				err = smtp.CheckDomain(d, smtp.Underscore)
			}
			if err != nil {
				return n, fmt.Errorf("%q is neither a domain nor *.domain", p)
			}
			if below {
				n.under[d] = true
			} else {
				n.exact[d] = true
			}
		}
	}
	return n, nil
}

func (n *names) empty() bool { return !n.all && len(n.exact) == 0 && len(n.under) == 0 }

// has tells whether a lower-case ASCII domain is in the set.
func (n *names) has(domain string) bool {
	if n.all || n.exact[domain] {
		return true
	}
	if len(n.under) == 0 {
		return false
	}
	for {
		_, parent, ok := strings.Cut(domain, ".")
		if !ok {
			return false
		}
		if n.under[parent] {
			return true
		}
		domain = parent
	}
}

// hasAddress tells whether an address or its domain is in the set.
func (n *names) hasAddress(a smtp.Address) bool {
	if n.all {
		return true
	}
	if a.IsZero() {
		return false
	}
	d, err := smtp.ASCIIDomain(a.Domain)
	return err == nil && (n.has(d) || n.exact[addressKey(a)])
}

// addressKey folds an address: administrators do not care for the case of
// local parts.
func addressKey(a smtp.Address) string {
	d, err := smtp.ASCIIDomain(a.Domain)
	if err != nil {
		d = a.Domain
	}
	return strings.ToLower(a.Local) + "@" + d
}
