package dns

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// Defaults of CacheOptions.
const (
	defaultCacheSize   = 32 << 20
	defaultMinTTL      = 5 * time.Second
	defaultMaxTTL      = 6 * time.Hour
	defaultMaxNegative = time.Hour
	defaultFailureTTL  = 5 * time.Second
	defaultFlights     = 4096

	shards = 16
)

// ErrBusy says that too many questions are under way. It wraps ErrServFail.
var ErrBusy = busyError{}

type busyError struct{}

func (busyError) Error() string { return "too many DNS queries under way" }
func (busyError) Unwrap() error { return ErrServFail }

// CacheOptions of a Cache. Zero values stand for the defaults.
type CacheOptions struct {
	// Size bounds the memory of the answers, about, in octets. Default 32 MiB.
	Size int `yaml:"cache_size"`
	// MinTTL is for how long answers are kept at least, since one message
	// asks the same several times. Default 5s.
	MinTTL time.Duration `yaml:"min_ttl"`
	// MaxTTL is for how long answers are kept at most. Default 6h.
	MaxTTL time.Duration `yaml:"max_ttl"`
	// MaxNegative is the same for denials (RFC 2308 section 5). Default 1h.
	MaxNegative time.Duration `yaml:"max_negative"`
	// FailureTTL is for how long a failed question is not asked again (RFC
	// 9520 section 3.2), and for how long denials without SOA are kept.
	// Default 5s.
	FailureTTL time.Duration `yaml:"failure_ttl"`
	// MaxFlights bounds the questions under way. Default 4096.
	MaxFlights int `yaml:"max_queries"`
	// Metrics counts; nil counts nothing.
	Metrics *Metrics `yaml:"-"`
}

func (o *CacheOptions) fill() {
	fill(&o.Size, defaultCacheSize)
	fill(&o.MinTTL, defaultMinTTL)
	fill(&o.MaxTTL, defaultMaxTTL)
	fill(&o.MaxNegative, defaultMaxNegative)
	fill(&o.FailureTTL, defaultFailureTTL)
	fill(&o.MaxFlights, defaultFlights)
}

func fill[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Cache is a Resolver that remembers what another one answered, for as long
// as the answers allow, and asks it each question once however many wait for
// it. A question goes on to its answer when those who asked have left, for as
// long as the other Resolver tries but at most 20 s; Close ends what is under
// way.
type Cache struct {
	next   Resolver
	opt    CacheOptions
	seed   maphash.Seed
	shard  [shards]shard
	room   chan struct{} // one token a question under way
	root   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type key struct {
	name string
	t    Type
}

// flight is a question under way.
type flight struct {
	done chan struct{}
	a    Answer
	err  error
}

// NewCache returns a Cache in front of next.
func NewCache(next Resolver, opt CacheOptions) *Cache {
	opt.fill()
	c := &Cache{next: next, opt: opt, seed: maphash.MakeSeed(), room: make(chan struct{}, opt.MaxFlights)}
	c.root, c.cancel = context.WithCancel(context.Background())
	for i := range c.shard {
		c.shard[i].init(opt.Size/shards, opt.Metrics)
	}
	return c
}

// Close gives up all questions under way and waits until they have ended.
// Lookup must not be called any more.
func (c *Cache) Close() {
	c.cancel()
	c.wg.Wait()
}

// Lookup answers from memory or joins the one question to the next Resolver.
// TTL in the answer is what is left of it. Nothing is asked for a ctx that has
// ended: the rest of a list of names whose time is over must not fill the room.
func (c *Cache) Lookup(ctx context.Context, name string, t Type) (Answer, error) {
	norm, ok := Normal(name)
	if !ok {
		return Answer{}, unaskable(name, t)
	}
	k := key{norm, t}
	s := &c.shard[maphash.String(c.seed, norm)%shards]
	now := time.Now()
	s.mu.Lock()
	if e := s.get(k, now); e != nil {
		a, err := e.answer, e.err
		if err == nil {
			a.TTL = max(e.expires.Sub(now), time.Second)
		}
		s.mu.Unlock()
		c.opt.Metrics.hit()
		return a, err
	}
	f, joined := s.flights[k]
	if !joined {
		if ctx.Err() != nil {
			s.mu.Unlock()
			return Answer{}, ended(ctx, norm, t)
		}
		if f = c.start(k, s); f == nil {
			s.mu.Unlock()
			return Answer{}, failed(norm, t, ErrBusy)
		}
	}
	s.mu.Unlock()
	c.opt.Metrics.miss(joined)
	select {
	case <-f.done:
		return f.a, f.err
	case <-ctx.Done():
		return Answer{}, ended(ctx, norm, t)
	}
}

// Known tells whether Lookup has the answer in memory at this moment.
func (c *Cache) Known(name string, t Type) bool {
	norm, ok := Normal(name)
	if !ok {
		return true // it is not asked
	}
	s := &c.shard[maphash.String(c.seed, norm)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key{norm, t}]
	return e != nil && time.Now().Before(e.expires)
}

// Known tells whether r can answer at once, as a Cache often does: then a
// goroutine of its own costs more than the question.
func Known(r Resolver, name string, t Type) bool {
	c, ok := r.(interface {
		Known(name string, t Type) bool
	})
	return ok && c.Known(name, t)
}

// start begins a question; nil: there are too many. s is locked.
func (c *Cache) start(k key, s *shard) *flight {
	select {
	case c.room <- struct{}{}:
	default:
		return nil
	}
	k.name = strings.Clone(k.name) // it may be part of something large
	f := &flight{done: make(chan struct{})}
	s.flights[k] = f
	c.wg.Go(func() {
		defer func() { <-c.room }()
		c.fly(k, s, f)
	})
	return f
}

// fly asks the question and wakes those who wait. A panic is a failure of
// this question, not of the gateway: what is parsed below comes from strangers.
func (c *Cache) fly(k key, s *shard, f *flight) {
	ctx, cancel := context.WithTimeout(c.root, maxLookup)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			f.a, f.err = Answer{}, failed(k.name, k.t, fmt.Errorf("%w: panic: %v", ErrServFail, p))
		}
		s.mu.Lock()
		delete(s.flights, k)
		s.put(k, f, time.Now().Add(c.keep(f)))
		s.mu.Unlock()
		close(f.done)
	}()
	f.a, f.err = c.next.Lookup(ctx, k.name, k.t)
}

// keep says for how long a result is remembered.
func (c *Cache) keep(f *flight) time.Duration {
	var n *NotFound
	switch {
	case f.err == nil:
		return min(max(f.a.TTL, c.opt.MinTTL), c.opt.MaxTTL)
	case errors.As(f.err, &n) && n.TTL > 0:
		return min(max(n.TTL, c.opt.MinTTL), c.opt.MaxNegative)
	}
	return c.opt.FailureTTL
}
