// Package route finds where mail for a recipient goes: the configured domain
// that a forward-path belongs to.
package route

import (
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Default is the key that takes what no other names.
const Default = "default"

// Outbound is the route of mail that leaves for other domains, by MX or smart
// host. No domain is called so.
const Outbound = "outbound"

// Table is the configured domains. It does not change once it is made.
type Table struct {
	exact      map[string]string // domain -> key
	under      map[string]string // parent domain -> key of "*.parent"
	fallback   string            // Default, or "" : none
	postmaster string            // key for <Postmaster>
	domain     string            // whose postmaster that is, "" : not known
}

// KeyError says which of the keys cannot be.
type KeyError struct {
	Index int
	Err   error
}

// Error implements error.
func (e *KeyError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *KeyError) Unwrap() error { return e.Err }

// NewTable returns the table of keys in the order in which they are written:
// a domain, "*.domain" for its subdomains at any depth, or Default. Its error
// is a *KeyError.
func NewTable(keys []string) (*Table, error) {
	t := &Table{exact: map[string]string{}, under: map[string]string{}}
	for i, key := range keys {
		if err := t.add(key); err != nil {
			return nil, &KeyError{i, err}
		}
		if t.postmaster == "" || t.domain == "" && t.named(key) {
			t.postmaster = key
		}
		if t.domain == "" && t.named(key) {
			t.domain, _ = smtp.ASCIIDomain(key)
		}
	}
	return t, nil
}

func (t *Table) add(key string) error {
	if key == Default {
		t.fallback = key
		return nil
	}
	if key == Outbound {
		return fmt.Errorf("domain %q: the name stands for all domains elsewhere", key)
	}
	into, name := t.exact, key
	if parent, ok := strings.CutPrefix(key, "*."); ok {
		into, name = t.under, parent
	}
	if err := smtp.CheckDomain(name, smtp.UTF8|smtp.Underscore); err != nil {
		return fmt.Errorf("domain %q: %w", key, err)
	}
	ascii, err := smtp.ASCIIDomain(name)
	if err != nil {
		return fmt.Errorf("domain %q: %w", key, err)
	}
	if _, twice := into[ascii]; twice {
		return fmt.Errorf("domain %q is listed twice", key)
	}
	into[ascii] = key
	return nil
}

// named tells whether key is one domain.
func (t *Table) named(key string) bool { return key != Default && !strings.HasPrefix(key, "*.") }

// Qualify gives <Postmaster> without a domain (RFC 5321 section 4.5.1) that of
// the first one that is named in full: many servers refuse the bare form.
func (t *Table) Qualify(to smtp.ForwardPath) smtp.ForwardPath {
	if to.Domain == "" {
		to.Domain = t.domain
	}
	return to
}

// For returns the key of the domain that takes mail for a recipient; of
// several "*." the longest. <Postmaster> without a domain goes to the first
// domain that is named in full, else to the first key. ok is false where
// nothing takes it.
func (t *Table) For(to smtp.ForwardPath) (key string, ok bool) {
	if to.Domain == "" {
		return t.postmaster, t.postmaster != ""
	}
	name, err := smtp.ASCIIDomain(to.Domain)
	if err != nil || name[0] == '[' { // nobody configures address literals
		return "", false
	}
	if key, ok := t.exact[name]; ok {
		return key, true
	}
	for rest := name; ; {
		_, parent, found := strings.Cut(rest, ".")
		if !found {
			return t.fallback, t.fallback != ""
		}
		if key, ok := t.under[parent]; ok {
			return key, true
		}
		rest = parent
	}
}
