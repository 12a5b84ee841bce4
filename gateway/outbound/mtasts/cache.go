package mtasts

import (
	"context"
	"errors"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Result is what is known about a domain.
type Result struct {
	// Policy to apply, in mode Enforce or Testing; nil: there is none.
	Policy *Policy
	// Err says why a policy that the domain announces could not be had, or
	// not its newest; Policy, when there is one, was stored before. It is for
	// TLS-RPT alone: mail is delivered as Policy says. It is an *Error.
	Err error
}

// Cache answers which policy a domain has. What it learnt is stored, fetched
// again in the background before it expires, and kept while it cannot be
// fetched (RFC 8461 section 3.3 and 5.1). Its methods may be called by many at
// once.
type Cache struct{}

// Open returns a Cache on db that asks DNS of r. Close it.
func Open(ctx context.Context, opt Options, db *sqldb.DB, r dns.Resolver) (*Cache, error) {
	return nil, errors.New("mtasts: not built")
}

// Close ends what is under way and waits for it.
func (c *Cache) Close() error { return nil }

// Policy returns what is known about a domain, which is in A-label form. It
// asks DNS, and fetches the policy when it has none or another one is
// announced: for Options.Timeout at most, or until ctx ends, where the answer
// is then what was stored before.
func (c *Cache) Policy(ctx context.Context, domain string) Result { return Result{} }
