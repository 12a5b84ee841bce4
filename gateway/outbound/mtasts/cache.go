package mtasts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// retryFetch is how long a failed fetch is not tried again for mail (RFC
	// 8461 section 3.3 names five minutes).
	retryFetch = 5 * time.Minute
	// leastLife keeps a policy with a max_age of nothing from being fetched
	// for every message.
	leastLife = time.Minute
	// maxFlights bounds the fetches under way.
	maxFlights = 64
	// maxMemory bounds what is kept in memory, in octets, about.
	maxMemory = 16 << 20
	// entrySize is what an entry takes beside the policy's text, which is kept
	// about three times.
	entrySize = 512
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
type Cache struct {
	opt     Options
	db      *sqldb.DB
	r       dns.Resolver
	fetcher *fetcher
	root    context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	wake    chan struct{} // something is due earlier than was thought
	rounds  sync.Mutex    // held by the round under way

	mu      sync.Mutex
	closed  bool
	memory  map[string]*known
	size    int
	flights map[string]*flight
}

// known is what is in memory about a domain. It is replaced, never changed.
type known struct {
	*entry // nil: nothing is stored
	// The last fetch failed: why, for which id, and until when it is not
	// tried again for mail.
	failed   error
	failedID string
	retry    time.Time
}

// size is about how much memory it takes.
func (k *known) size() int {
	if k.entry == nil {
		return entrySize
	}
	return entrySize + 3*len(k.text)
}

// flight is a fetch under way.
type flight struct {
	done  chan struct{}
	known *known
}

// Open returns a Cache on db that asks DNS of r. Close it.
func Open(ctx context.Context, opt Options, db *sqldb.DB, r dns.Resolver) (*Cache, error) {
	opt.fill()
	if err := db.Migrate(ctx, "mtasts", migrations); err != nil {
		return nil, fmt.Errorf("mtasts: %w", err)
	}
	c := &Cache{
		opt: opt, db: db, r: r, fetcher: newFetcher(opt, r), wake: make(chan struct{}, 1),
		memory: map[string]*known{}, flights: map[string]*flight{},
	}
	c.root, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.wg.Go(c.keep)
	return c, nil
}

// Close ends what is under way and waits for it.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	return nil
}

// Policy returns what is known about a domain, which is in A-label form. It
// asks DNS, and fetches the policy when it has none or another one is
// announced: for Options.Timeout at most, or until ctx ends, where the answer
// is then what was stored before.
func (c *Cache) Policy(ctx context.Context, domain string) Result {
	name, ok := dns.Normal(domain)
	if !ok || !hostName(name) || !strings.Contains(name, ".") {
		return Result{}
	}
	now := time.Now()
	k := c.recall(ctx, name, now)
	rec, err := LookupRecord(ctx, c.r, name)
	switch {
	case err != nil: // withdrawn, or somebody interferes: what is stored holds
		return k.result(now, nil)
	case k.valid(now) && k.id == rec.ID:
		c.touch(k, now)
		return k.result(now, nil)
	}
	f := c.fly(name, rec.ID)
	if f == nil {
		return k.result(now, &Error{"sts-policy-fetch-error", errors.New("too many policies are being fetched")})
	}
	select {
	case <-f.done:
		return f.known.result(time.Now(), f.known.failed)
	case <-ctx.Done():
		return k.result(now, &Error{"sts-policy-fetch-error", context.Cause(ctx)})
	}
}

// valid tells whether a policy is stored that has not expired.
func (k *known) valid(now time.Time) bool { return k.entry != nil && now.Before(k.expires) }

func (k *known) result(now time.Time, err error) Result {
	r := Result{Err: err}
	if k.valid(now) && k.policy.Mode != Off {
		r.Policy = k.policy
	}
	return r
}

// recall returns what memory or database know about a domain.
func (c *Cache) recall(ctx context.Context, name string, now time.Time) *known {
	c.mu.Lock()
	k := c.memory[name]
	c.mu.Unlock()
	if k != nil && (k.valid(now) || now.Before(k.retry)) {
		return k
	}
	e, err := c.read(ctx, name)
	if err != nil && ctx.Err() == nil { // else nobody wants to know any more
		c.opt.Log.Error("MTA-STS: stored policy not read", "domain", name, "error", err.Error())
	}
	if e == nil {
		return &known{}
	}
	k = &known{entry: e}
	c.remember(name, k)
	return k
}

// remember puts something into memory and makes room for it.
func (c *Cache) remember(name string, k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.memory[name]; old != nil {
		c.size -= old.size()
	}
	c.memory[name] = k
	c.size += k.size()
	for other, o := range c.memory { // in random order
		if c.size <= maxMemory {
			return
		}
		if other != name {
			delete(c.memory, other)
			c.size -= o.size()
		}
	}
}

// touch notes, once a day, that mail needs the policy.
func (c *Cache) touch(k *known, now time.Time) {
	if now.Sub(k.used) < 24*time.Hour || !c.begin() {
		return
	}
	e := *k.entry
	e.used = now
	c.remember(e.domain, &known{entry: &e})
	go func() {
		defer c.wg.Done()
		if err := c.write(context.WithoutCancel(c.root), &e); err != nil {
			c.opt.Log.Error("MTA-STS: policy not stored", "domain", e.domain, "error", err.Error())
		}
	}()
}

// begin counts a goroutine of the Cache; false: it is closed.
func (c *Cache) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Add(1)
	return true
}

// fly fetches the policy of a domain, or joins who does; nil: there are too
// many, or the Cache is closed.
func (c *Cache) fly(name, id string) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[name]; f != nil {
		return f
	}
	if k, now := c.memory[name], time.Now(); k != nil && (k.valid(now) && k.id == id || k.failedID == id && now.Before(k.retry)) {
		f := &flight{done: make(chan struct{}), known: k} // it has just ended
		close(f.done)
		return f
	}
	if c.closed || len(c.flights) >= maxFlights {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	c.flights[name] = f
	c.wg.Go(func() {
		f.known = c.update(name, id, time.Now())
		c.mu.Lock()
		delete(c.flights, name)
		c.mu.Unlock()
		close(f.done)
	})
	return f
}

// update fetches a policy and stores it. What was stored stays when that
// fails. used is when mail needed it.
func (c *Cache) update(name, id string, used time.Time) *known {
	policy, text, err := c.fetcher.fetch(c.root, name)
	now := time.Now()
	if err != nil {
		c.opt.Log.Warn("MTA-STS: policy not fetched", "domain", name, "error", err.Error())
		k := *c.recall(c.root, name, now)
		k.failed, k.failedID, k.retry = err, id, now.Add(retryFetch)
		c.remember(name, &k)
		return &k
	}
	life := max(policy.MaxAge, leastLife)
	e := &entry{
		domain: name, id: id, policy: policy, text: text,
		expires: now.Add(life), refresh: now.Add(min(c.opt.Refresh, life/2)), used: used,
	}
	k := &known{entry: e}
	c.remember(name, k)
	if err := c.write(c.root, e); err != nil {
		c.opt.Log.Error("MTA-STS: policy not stored", "domain", name, "error", err.Error())
	}
	c.rouse()
	return k
}
