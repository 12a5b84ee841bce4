package tlsrpt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// flushEvery is how often counts are made durable, and so what a crash
	// loses.
	flushEvery = 10 * time.Second
	// maxTallies bounds the counts in memory; flushing begins at half of it.
	maxTallies = 20_000
	// wantsFor is for how long it is remembered whether a domain wants
	// reports, maxWants of how many.
	wantsFor = time.Hour
	maxWants = 50_000
	// asksAtOnce is how many domains are asked for at the same time.
	asksAtOnce = 16
	askTimeout = 10 * time.Second
)

// Collector counts sessions and sends the reports. Its methods may be called
// by many at once. A nil *Collector counts nothing.
type Collector struct {
	opt    Options
	db     *sqldb.DB
	r      dns.Resolver
	mailer Mailer
	poster *poster
	root   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	full   chan struct{} // there is enough to flush
	wake   chan struct{} // there is something to send

	mu      sync.Mutex
	closed  bool
	tallies map[tally]int64
	lost    int64 // sessions that were not counted

	// Of flush alone, which flushing keeps to one at a time.
	flushing sync.Mutex
	wants    map[string]wish
	stored   int // domains and days, about
}

// wish tells whether a domain wants reports.
type wish struct {
	wanted bool
	until  time.Time
}

// Open returns a Collector on db that has begun to work. Close it. Without
// Options.Contact it returns nil.
func Open(ctx context.Context, opt Options, db *sqldb.DB, r dns.Resolver, m Mailer) (*Collector, error) {
	if opt.Contact == "" {
		return nil, nil
	}
	c, err := open(ctx, opt, db, r, m)
	if err != nil {
		return nil, err
	}
	c.wg.Go(c.keep)
	c.wg.Go(c.sending)
	return c, nil
}

// open is Open without the work.
func open(ctx context.Context, opt Options, db *sqldb.DB, r dns.Resolver, m Mailer) (*Collector, error) {
	opt.fill()
	if err := db.Migrate(ctx, "tlsrpt", migrations); err != nil {
		return nil, fmt.Errorf("tlsrpt: %w", err)
	}
	c := &Collector{
		opt: opt, db: db, r: r, mailer: m, poster: newPoster(opt, r), full: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		tallies: map[tally]int64{}, wants: map[string]wish{},
	}
	var err error
	if c.stored, err = c.domains(ctx); err != nil {
		return nil, fmt.Errorf("tlsrpt: %w", err)
	}
	c.root, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return c, nil
}

// Close makes the counts durable, ends what is under way and waits for it.
func (c *Collector) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	return c.flush(context.WithoutCancel(c.root), true)
}

// Add counts a session. It costs little and waits for nothing. Sessions that
// carried TLS reports should not be counted (RFC 8460 section 3).
func (c *Collector) Add(s Session) {
	if c == nil {
		return
	}
	domain, ok := dns.Normal(s.Policy.Domain)
	if !ok {
		return
	}
	s.Policy.Domain = domain
	k := newTally(s, time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.tallies[k]; !known && (len(c.tallies) >= maxTallies || c.closed) {
		c.lost++
		return
	}
	c.tallies[k]++
	if len(c.tallies) >= maxTallies/2 {
		signal(c.full)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// keep makes counts durable every now and then.
func (c *Collector) keep() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.root.Done():
			return
		case <-tick.C:
		case <-c.full:
		}
		if err := c.flush(c.root, false); err != nil && c.root.Err() == nil {
			c.opt.Log.Error("TLS-RPT: counts not stored", "error", err.Error())
		}
	}
}

// flush makes the counts durable of domains that want reports, or may want
// them where DNS does not answer. At the end it does not ask.
func (c *Collector) flush(ctx context.Context, end bool) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	counts := c.take()
	if len(counts) == 0 {
		return nil
	}
	now := time.Now()
	if !end {
		c.ask(ctx, counts, now)
	}
	domains := map[dayDomain]bool{}
	for k := range counts {
		if w, asked := c.wants[k.domain]; asked && !w.wanted || c.stored > maxDomains {
			delete(counts, k)
			continue
		}
		domains[dayDomain{k.day, k.domain}] = true
	}
	if len(counts) == 0 {
		return nil
	}
	if err := c.add(ctx, counts, c.due); err != nil {
		c.putBack(counts)
		return err
	}
	if n, err := c.domains(ctx); err == nil {
		c.stored = n
	}
	signal(c.wake)
	return nil
}

// take empties the memory.
func (c *Collector) take() map[tally]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost > 0 {
		c.opt.Log.Warn("TLS-RPT: too many sessions of different kinds, some were not counted", "sessions", c.lost)
		c.lost = 0
	}
	counts := c.tallies
	if len(counts) > 0 {
		c.tallies = map[tally]int64{}
	}
	return counts
}

func (c *Collector) putBack(counts map[tally]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range counts {
		if _, known := c.tallies[k]; known || len(c.tallies) < maxTallies {
			c.tallies[k] += n
		} else {
			c.lost += n
		}
	}
}

// ask finds out which of the domains want reports.
func (c *Collector) ask(ctx context.Context, counts map[tally]int64, now time.Time) {
	if len(c.wants) > maxWants {
		clear(c.wants)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, asksAtOnce)
	asked := map[string]bool{}
	for k := range counts {
		mu.Lock()
		w, known := c.wants[k.domain]
		mu.Unlock()
		if asked[k.domain] || known && now.Before(w.until) {
			continue
		}
		asked[k.domain] = true
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			_, err := LookupRecord(ctx, c.r, k.domain)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || isNone(err) {
				c.wants[k.domain] = wish{err == nil, now.Add(wantsFor)}
			} else {
				delete(c.wants, k.domain)
			}
		})
	}
	wg.Wait()
}

// due returns when the report of a day is written: some time after it, not at
// the same time for all (RFC 8460 section 4.1).
func (c *Collector) due(day int64) time.Time {
	return dayStart(day + 1).Add(settle + time.Duration(rand.Int64N(int64(c.opt.Spread))))
}
