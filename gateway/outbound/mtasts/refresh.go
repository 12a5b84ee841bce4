package mtasts

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// keepUnused is how long a policy that no mail needs is fetched again.
	keepUnused = 30 * 24 * time.Hour
	// retryRefresh is the time between tries to fetch a policy again.
	retryRefresh = time.Hour
	// refreshBatch is how many are fetched again in one go, refreshAtOnce how
	// many at the same time.
	refreshBatch  = 64
	refreshAtOnce = 4
	// idle is how long to wait when nothing is stored, or the database fails.
	idle = 10 * time.Minute
)

// rouse tells the keeper that something was stored.
func (c *Cache) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// keep looks after the stored policies until the Cache is closed.
func (c *Cache) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.root.Done():
			return
		case <-c.wake:
		case <-timer.C:
		}
		timer.Reset(c.round())
	}
}

// round fetches what is due and returns the time until more is.
func (c *Cache) round() time.Duration {
	c.rounds.Lock()
	defer c.rounds.Unlock()
	domains, next, err := c.due(c.root, time.Now(), refreshBatch)
	if err != nil {
		if c.root.Err() == nil {
			c.opt.Log.Error("MTA-STS: stored policies not read", "error", err.Error())
		}
		return idle
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, refreshAtOnce)
	for _, d := range domains {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := c.refresh(d); err != nil && c.root.Err() == nil {
				c.opt.Log.Error("MTA-STS: policy not looked after", "domain", d, "error", err.Error())
			}
		})
	}
	wg.Wait()
	switch {
	case len(domains) == refreshBatch:
		return time.Second
	case next.IsZero():
		return idle
	}
	return min(max(time.Until(next), time.Second), idle)
}

// refresh fetches one policy again, or drops it when its time is over.
func (c *Cache) refresh(domain string) error {
	now := time.Now()
	e, err := c.read(c.root, domain)
	if err != nil || e == nil || e.refresh.After(now) { // another process did it
		return err
	}
	if !now.Before(e.expires) {
		c.forget(domain)
		return c.remove(c.root, domain, now)
	}
	if now.Sub(e.used) > keepUnused {
		e.refresh = e.expires
		return c.write(c.root, e)
	}
	id := e.id
	if rec, err := c.announced(domain); err == nil {
		id = rec.ID
	}
	if k := c.update(domain, id, e.used); k.failed == nil {
		return nil
	}
	e.refresh = now.Add(min(retryRefresh, max(e.expires.Sub(now)/2, retryFetch)))
	if e.refresh.After(e.expires) {
		e.refresh = e.expires
	}
	return c.write(c.root, e)
}

func (c *Cache) announced(domain string) (Record, error) {
	ctx, cancel := context.WithTimeoutCause(c.root, c.opt.Timeout, errors.New("DNS took too long"))
	defer cancel()
	return LookupRecord(ctx, c.r, domain)
}

// forget drops what memory has about a domain.
func (c *Cache) forget(domain string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.memory[domain]; k != nil {
		c.size -= k.size()
		delete(c.memory, domain)
	}
}
