// Package crew runs short jobs in goroutines that are kept for the next one,
// with the stacks that they have grown: for a message of a few KiB, making a
// dozen goroutines and growing their stacks took a tenth of all time.
package crew

import "sync"

// maxRest is how many goroutines wait for a job at most.
const maxRest = 64

// Crew runs jobs. The zero value is ready for use; goroutines wait for more
// only between Enter and Leave.
type Crew struct {
	mu    sync.Mutex
	rest  []chan func() // the one that came back last goes first
	users int
}

// Enter says that jobs will come until Leave.
func (c *Crew) Enter() {
	c.mu.Lock()
	c.users++
	c.mu.Unlock()
}

// Leave takes an Enter back. Behind the last one no goroutine stays that has
// nothing to do.
func (c *Crew) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	for _, w := range c.rest {
		close(w)
	}
	c.rest = nil
}

// Go runs job in a goroutine. A job must not panic.
func (c *Crew) Go(job func()) {
	c.mu.Lock()
	if n := len(c.rest); n > 0 {
		w := c.rest[n-1]
		c.rest = c.rest[:n-1]
		c.mu.Unlock()
		w <- job
		return
	}
	c.mu.Unlock()
	go c.work(job)
}

// work does one job after the other.
func (c *Crew) work(job func()) {
	next := make(chan func(), 1)
	for job != nil {
		job()
		c.mu.Lock()
		if c.users == 0 || len(c.rest) == maxRest {
			c.mu.Unlock()
			return
		}
		c.rest = append(c.rest, next)
		c.mu.Unlock()
		job = <-next
	}
}
