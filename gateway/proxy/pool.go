package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// conn is a connection to a backend.
type conn struct {
	*smtpc.Client
	reused bool
	born   time.Time
	since  time.Time // when it came to rest

	// Since the last message that was taken:
	fruitless int // transactions
	refused   int // recipients
}

// Servers hold clients back that make errors: Postfix delays every reply by a
// second from the 10th error on, and counts each RSET beyond 100 without mail
// as one. Guessed recipients must not make the pool's connections slow.
const (
	maxFruitless = 80
	maxRefused   = 8
)

// note counts what a transaction came to.
func (c *conn) note(res smtpc.Result) {
	if res.Step == smtpc.StepDone && slices.ContainsFunc(res.Rcpts, smtp.Reply.Positive) {
		c.fruitless, c.refused = 0, 0
		return
	}
	c.fruitless++
	for _, r := range res.Rcpts {
		if !r.Positive() {
			c.refused++
		}
	}
}

// welcome tells whether the server has no reason yet to be slow.
func (c *conn) welcome() bool { return c.fruitless < maxFruitless && c.refused < maxRefused }

// pool keeps the connections to one backend: those in use and those at rest
// are never more than max together; the one that came back last goes out
// first, so that what is not needed grows old and is closed.
type pool struct {
	max, idle int
	idleTime  time.Duration
	messages  int
	wait      time.Duration
	dial      func(ctx context.Context) (*smtpc.Client, error)
	count     func(result string)

	mu     sync.Mutex
	rest   []*conn // the oldest first
	open   int     // in use, at rest, being dialled
	queue  []chan struct{}
	capped int // the backend's own limit, as it seems, until capEnds
	capEnd time.Time
	reaper *time.Timer
	closed bool
	wg     sync.WaitGroup
}

var (
	errBusy   = errors.New("all connections are in use")
	errClosed = errors.New("the group is closed")
)

const (
	// maxAge of a connection, so that a backend behind a changed address is
	// found in the end.
	maxAge = 10 * time.Minute
	// capTime is how long a 421 to a new connection, while others are open,
	// keeps the pool from opening more.
	capTime = 10 * time.Second
)

// get returns a connection at rest or a new one; fresh: a new one.
func (p *pool) get(ctx context.Context, fresh bool) (*conn, error) {
	var timeout *time.Timer
	p.mu.Lock()
	for waited := false; ; waited = true {
		if p.closed {
			p.mu.Unlock()
			return nil, errClosed
		}
		if waited || len(p.queue) == 0 { // else others were here before
			if c := p.take(fresh); c != nil {
				p.mu.Unlock()
				return c, nil
			}
			if p.open < p.limit() {
				p.open++
				p.mu.Unlock()
				c, err := p.connect(ctx)
				if err == nil || !p.capAt(err) {
					return c, err
				}
				fresh = false // another's connection is as good
				p.mu.Lock()
				continue
			}
		}
		if timeout == nil {
			timeout = time.NewTimer(p.wait)
			defer timeout.Stop()
		}
		if err := p.await(ctx, timeout.C); err != nil {
			return nil, err
		}
	}
}

// take returns the youngest connection at rest that is sound. For who wants a
// fresh one it only makes room. p.mu is held.
func (p *pool) take(fresh bool) *conn {
	for len(p.rest) > 0 && !(fresh && p.open < p.limit()) {
		last := len(p.rest) - 1
		c := p.rest[last]
		p.rest[last] = nil
		p.rest = p.rest[:last]
		// One system call that does not wait.
		if !fresh && time.Since(c.since) < p.idleTime && c.Alive() {
			c.reused = true
			p.count("reused")
			return c
		}
		if !fresh {
			p.count("dead")
		}
		p.open--
		c.Close()
	}
	return nil
}

// limit is how many connections may be open now.
func (p *pool) limit() int {
	if p.capped > 0 && time.Now().Before(p.capEnd) {
		return min(p.capped, p.max)
	}
	return p.max
}

// connect dials; it counts as open already.
func (p *pool) connect(ctx context.Context) (*conn, error) {
	client, err := p.dial(ctx)
	if err != nil {
		p.count("failed")
		p.gone()
		return nil, err
	}
	p.count("opened")
	return &conn{Client: client, born: time.Now()}, nil
}

// capAt notes that the backend has told a new connection to go away while
// others are open: too many, by its own limit. It returns whether it is worth
// waiting for one of those.
func (p *pool) capAt(err error) bool {
	var e *smtpc.Error
	if !errors.As(err, &e) || e.Reply.Code != 421 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == 0 {
		return false
	}
	p.capped, p.capEnd = p.open, time.Now().Add(capTime)
	return true
}

// await waits until another connection is given back or closed. It is called
// and returns, unless it fails, with p.mu held.
func (p *pool) await(ctx context.Context, timeout <-chan time.Time) error {
	turn := make(chan struct{}, 1)
	p.queue = append(p.queue, turn)
	p.mu.Unlock()
	var err error
	select {
	case <-turn:
	case <-timeout:
		err = errBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	if err == nil {
		return nil
	}
	p.leave(turn)
	p.mu.Unlock()
	return err
}

// leave takes turn out of the queue, and hands on what it was given meanwhile.
func (p *pool) leave(turn chan struct{}) {
	for i, q := range p.queue {
		if q == turn {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			return
		}
	}
	p.wake()
}

// wake lets the next one try.
func (p *pool) wake() {
	if len(p.queue) > 0 {
		p.queue[0] <- struct{}{}
		p.queue = p.queue[1:]
	}
}

// gone counts a connection that is open no more.
func (p *pool) gone() {
	p.mu.Lock()
	p.open--
	p.wake()
	p.mu.Unlock()
}

// discard closes a broken connection.
func (p *pool) discard(c *conn) {
	c.Close()
	p.gone()
}

// put takes a connection back.
func (p *pool) put(c *conn) {
	now := time.Now()
	keep := c.Usable() && c.welcome() && c.Mails() < p.messages && now.Sub(c.born) < maxAge
	p.mu.Lock()
	if !keep || p.closed || len(p.rest) >= p.idle && len(p.queue) == 0 {
		p.open--
		p.wake()
		if p.closed {
			c.Close()
		} else {
			p.quit(c)
		}
		p.mu.Unlock()
		return
	}
	c.since = now
	p.rest = append(p.rest, c)
	p.wake()
	if p.reaper == nil {
		p.reaper = time.AfterFunc(p.idleTime, p.reap)
	}
	p.mu.Unlock()
}

// quit says farewell in the background. p.mu is held.
func (p *pool) quit(c *conn) {
	p.wg.Go(func() { c.Quit(context.Background()) })
}

// reap closes what has rested too long.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	now := time.Now()
	n := 0
	for n < len(p.rest) && now.Sub(p.rest[n].since) >= p.idleTime {
		p.quit(p.rest[n])
		p.open--
		n++
	}
	p.rest = append(p.rest[:0], p.rest[n:]...)
	p.reaper = nil
	if len(p.rest) > 0 {
		p.reaper = time.AfterFunc(p.idleTime-now.Sub(p.rest[0].since), p.reap)
	}
}

// close closes what is at rest and waits until that is done. Connections in
// use are closed when they are given back.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, c := range p.rest {
		p.quit(c)
		p.open--
	}
	p.rest = nil
	if p.reaper != nil {
		p.reaper.Stop()
	}
	for len(p.queue) > 0 {
		p.wake()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// size tells how many connections are open and how many of them at rest.
func (p *pool) size() (open, rest int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, len(p.rest)
}
