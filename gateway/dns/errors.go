package dns

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// NotFound is the error of a question whose answer is that there is nothing.
// It wraps ErrNXDomain or ErrNoData.
type NotFound struct {
	Name      string // the end of the CNAME chain
	Type      Type
	Err       error         // ErrNXDomain or ErrNoData
	TTL       time.Duration // by the zone's SOA (RFC 2308 section 5); 0: it gave none
	Authentic bool          // the denial came with AD from a trusted resolver
}

func (e *NotFound) Error() string { return fmt.Sprintf("dns: %s %s: %v", e.Type, e.Name, e.Err) }
func (e *NotFound) Unwrap() error { return e.Err }

// failed says that a look-up came to no answer.
func failed(name string, t Type, err error) error {
	return fmt.Errorf("dns: %s %s: %w", t, name, err)
}

// ended is the error of a look-up whose ctx ended first.
func ended(ctx context.Context, name string, t Type) error {
	return fmt.Errorf("dns: %s %s: %w: %w", t, name, ErrTimeout, context.Cause(ctx))
}

// unaskable is the answer to names that cannot be in the DNS.
func unaskable(name string, t Type) error {
	if len(name) > MaxName {
		name = name[:MaxName]
	}
	return fmt.Errorf("dns: %s %q is no domain name: %w", t, name, ErrNXDomain)
}

// isFinal tells an answer, positive or negative, from a failure.
func isFinal(err error) bool { return err == nil || IsNotFound(err) }

// result is the word for err in metrics.
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNXDomain):
		return "nxdomain"
	case errors.Is(err, ErrNoData):
		return "nodata"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, ErrTimeout):
		return "timeout"
	}
	return "servfail"
}
