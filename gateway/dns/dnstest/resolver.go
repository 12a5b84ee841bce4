package dnstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Recorder is a Resolver that notes what it is asked.
type Recorder struct {
	dns.Resolver
	mu  sync.Mutex
	log []string
}

// Record returns a Recorder in front of r.
func Record(r dns.Resolver) *Recorder { return &Recorder{Resolver: r} }

// Lookup notes the question and passes it on.
func (r *Recorder) Lookup(ctx context.Context, name string, t dns.Type) (dns.Answer, error) {
	r.mu.Lock()
	r.log = append(r.log, fmt.Sprintf("%s %s", strings.ToLower(strings.TrimSuffix(name, ".")), t))
	r.mu.Unlock()
	return r.Resolver.Lookup(ctx, name, t)
}

// Queries returns the questions so far, as "example.org TXT", in order.
func (r *Recorder) Queries() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// Func is a Resolver made of a function.
type Func func(ctx context.Context, name string, t dns.Type) (dns.Answer, error)

// Lookup calls f.
func (f Func) Lookup(ctx context.Context, name string, t dns.Type) (dns.Answer, error) {
	return f(ctx, name, t)
}

// Slow returns a Resolver that answers as r does, after d. It is meant for
// synctest bubbles, where waiting costs nothing.
func Slow(r dns.Resolver, d time.Duration) dns.Resolver {
	return Func(func(ctx context.Context, name string, t dns.Type) (dns.Answer, error) {
		select {
		case <-time.After(d):
			return r.Lookup(ctx, name, t)
		case <-ctx.Done():
			return dns.Answer{}, fmt.Errorf("%s %s: %w: %w", t, name, dns.ErrTimeout, ctx.Err())
		}
	})
}

// Hang is a Resolver that never answers: it waits for ctx to end.
func Hang() dns.Resolver {
	return Func(func(ctx context.Context, name string, t dns.Type) (dns.Answer, error) {
		<-ctx.Done()
		return dns.Answer{}, fmt.Errorf("%s %s: %w: %w", t, name, dns.ErrTimeout, ctx.Err())
	})
}
