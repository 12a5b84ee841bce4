package outbound

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// lineKey tells connections apart that cannot stand in for each other.
type lineKey struct {
	host   string
	addr   netip.AddrPort
	source netip.Addr
	hello  string
	tls    string // of tlsPolicy
	login  string // smart host's user, and what the password is told apart by
}

// conn is a connection to a next hop.
type conn struct {
	*smtpc.Client
	key    lineKey
	line   *line
	tls    string // for Outcome, as addr
	addr   string
	local  netip.Addr // our side
	domain string     // whose policy it was last reported for
	most   int        // messages
	reused bool
	born   time.Time
	since  time.Time // when it came to rest
	// Neighbours among all that rest, by since.
	older, younger *conn
}

// line is what the pool knows of a destination: its connections and who waits
// for one.
type line struct {
	name    siteKey
	open    int     // in use, at rest, being dialled
	rest    []*conn // the youngest last
	waiting []chan struct{}
}

// pool keeps the connections to all next hops. They are few enough for one
// lock.
type pool struct {
	idleTime time.Duration
	metrics  *Metrics

	mu      sync.Mutex
	max     int // open, all lines together
	idle    int // at rest, all lines together
	open    int
	atRest  int
	lines   map[siteKey]*line
	oldest  *conn // at rest
	latest  *conn
	waiting []chan struct{} // for any connection to end
	reaper  *time.Timer
	closed  bool
	leaving chan struct{} // one token a farewell under way
	wg      sync.WaitGroup
}

var (
	errBusy   = errors.New("all connections that may be open to the destination are in use")
	errFull   = errors.New("all connections that may be open are in use")
	errClosed = errors.New("the transport is closed")
)

const (
	// waitTime is how long a message waits for a connection to its
	// destination; a slow one must not keep those who deliver.
	waitTime = 2 * time.Second
	// maxAge of a connection, so that a changed address is found in the end.
	maxAge = 5 * time.Minute
	// farewells that are said at once; others are cut short.
	farewells = 32
)

func newPool(m *Metrics) *pool {
	return &pool{
		metrics: m, lines: map[siteKey]*line{}, leaving: make(chan struct{}, farewells),
	}
}

// setLimits changes the bounds; connections over them end as they come back.
func (p *pool) setLimits(most, idle int, idleTime time.Duration) {
	p.mu.Lock()
	p.max, p.idle, p.idleTime = most, idle, idleTime
	p.mu.Unlock()
}

// get returns a connection at rest or what dial makes; fresh: only the latter.
// limit bounds the connections of the line.
func (p *pool) get(ctx context.Context, key lineKey, name siteKey, limit int, fresh bool, dial func(context.Context) (*conn, error)) (*conn, error) {
	p.mu.Lock()
	l := p.lines[name]
	if l == nil {
		l = &line{name: name}
		p.lines[name] = l
	}
	var timeout *time.Timer
	for {
		if p.closed {
			p.forget(l)
			p.mu.Unlock()
			return nil, errClosed
		}
		for c := p.take(l, &key); c != nil; c = p.take(l, &key) {
			p.mu.Unlock()
			if !fresh && c.Alive() { // one system call that does not wait
				c.reused = true
				p.metrics.connection("reused")
				return c, nil
			}
			p.drop(c, "dead")
			p.mu.Lock()
		}
		switch {
		case l.open >= limit:
			if len(l.rest) > 0 {
				p.evict(l.rest[0])
				continue
			}
		case p.open >= p.max:
			if p.oldest != nil {
				p.evict(p.oldest)
				continue
			}
		default:
			l.open++
			p.open++
			p.mu.Unlock()
			return p.dial(ctx, l, key, dial)
		}
		if timeout == nil {
			timeout = time.NewTimer(waitTime)
			defer timeout.Stop()
		}
		if err := p.await(ctx, l, limit, timeout.C); err != nil {
			p.forget(l)
			p.mu.Unlock()
			return nil, err
		}
	}
}

func (p *pool) dial(ctx context.Context, l *line, key lineKey, dial func(context.Context) (*conn, error)) (*conn, error) {
	c, err := dial(ctx)
	if err != nil {
		p.metrics.connection("failed")
		p.mu.Lock()
		p.gone(l)
		p.mu.Unlock()
		return nil, err
	}
	p.metrics.connection("opened")
	c.key, c.line, c.born = key, l, time.Now()
	return c, nil
}

// await waits for a connection of the line, or of any when the line may have
// more. p.mu is held before and after.
func (p *pool) await(ctx context.Context, l *line, limit int, timeout <-chan time.Time) error {
	list, busy := &l.waiting, errBusy
	if l.open < limit {
		list, busy = &p.waiting, errFull
	}
	if len(*list) >= max(2*limit, 16) {
		return busy
	}
	turn := make(chan struct{}, 1)
	*list = append(*list, turn)
	p.mu.Unlock()
	var err error
	select {
	case <-turn:
	case <-timeout:
		err = busy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	if err == nil {
		return nil
	}
	if i := slices.Index(*list, turn); i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	} else {
		p.wake(l) // the turn came too late: hand it on
	}
	return err
}

// wake lets one who waits try again.
func (p *pool) wake(l *line) {
	for _, list := range []*[]chan struct{}{&l.waiting, &p.waiting} {
		if len(*list) > 0 {
			(*list)[0] <- struct{}{}
			*list = slices.Delete(*list, 0, 1)
			return
		}
	}
}

// take takes the youngest connection at rest that fits off the list.
func (p *pool) take(l *line, key *lineKey) *conn {
	for i := len(l.rest) - 1; i >= 0; i-- {
		if c := l.rest[i]; c.key == *key {
			p.unrest(c)
			return c
		}
	}
	return nil
}

// unrest takes a connection off all lists.
func (p *pool) unrest(c *conn) {
	l := c.line
	i := slices.Index(l.rest, c)
	l.rest = slices.Delete(l.rest, i, i+1)
	p.atRest--
	if c.older != nil {
		c.older.younger = c.younger
	} else {
		p.oldest = c.younger
	}
	if c.younger != nil {
		c.younger.older = c.older
	} else {
		p.latest = c.older
	}
	c.older, c.younger = nil, nil
}

// evict ends a connection at rest.
func (p *pool) evict(c *conn) {
	p.unrest(c)
	p.leave(c)
}

// gone counts a connection that is open no more. p.mu is held.
func (p *pool) gone(l *line) {
	l.open--
	p.open--
	p.wake(l)
	p.forget(l)
}

// forget ends what is known of a line that nobody uses.
func (p *pool) forget(l *line) {
	if l.open == 0 && len(l.waiting) == 0 {
		delete(p.lines, l.name)
	}
}

// drop closes a broken connection.
func (p *pool) drop(c *conn, result string) {
	c.Close()
	p.metrics.connection(result)
	p.mu.Lock()
	p.gone(c.line)
	p.mu.Unlock()
}

// put takes a connection back.
func (p *pool) put(c *conn) {
	now := time.Now()
	keep := c.Usable() && (c.most <= 0 || c.Mails() < c.most) && now.Sub(c.born) < maxAge
	p.mu.Lock()
	defer p.mu.Unlock()
	if !keep || p.closed || p.idle == 0 {
		p.leave(c)
		return
	}
	if p.atRest >= p.idle {
		p.evict(p.oldest)
	}
	c.since = now
	c.line.rest = append(c.line.rest, c)
	p.atRest++
	if c.older = p.latest; c.older != nil {
		c.older.younger = c
	} else {
		p.oldest = c
	}
	p.latest = c
	p.wake(c.line)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(p.idleTime, p.reap)
	}
}

// leave says farewell in the background, or closes when too many are being
// said. p.mu is held.
func (p *pool) leave(c *conn) {
	p.gone(c.line)
	if p.closed { // nobody waits for farewells any more
		c.Close()
		return
	}
	select {
	case p.leaving <- struct{}{}:
		p.wg.Go(func() {
			c.Quit(context.Background())
			<-p.leaving
		})
	default:
		c.Close()
	}
}

// reap ends what has rested too long.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaper = nil
	if p.closed {
		return
	}
	for p.oldest != nil {
		wait := p.idleTime - time.Since(p.oldest.since)
		if wait > 0 {
			p.reaper = time.AfterFunc(max(wait, reapPause), p.reap)
			return
		}
		p.evict(p.oldest)
	}
}

// reapPause is the least time between two looks for what has rested too long.
const reapPause = 50 * time.Millisecond

// close ends what is at rest and waits until that is done; what is in use ends
// as it comes back.
func (p *pool) close() {
	p.mu.Lock()
	for p.oldest != nil {
		p.evict(p.oldest)
	}
	p.closed = true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	for len(p.waiting) > 0 {
		p.waiting[0] <- struct{}{}
		p.waiting = p.waiting[1:]
	}
	for _, l := range p.lines {
		for len(l.waiting) > 0 {
			l.waiting[0] <- struct{}{}
			l.waiting = l.waiting[1:]
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}
