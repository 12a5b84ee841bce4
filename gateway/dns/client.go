package dns

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	wire "github.com/miekg/dns"
)

const (
	maxLookup   = 20 * time.Second       // one Lookup, whatever the options
	roundPause  = 100 * time.Millisecond // least time between rounds; it doubles
	slowPenalty = 10 * time.Second       // a silent server is asked last for so long
)

// Client is a Resolver that asks recursive name servers over UDP and TCP.
//
// Every query leaves from a port of its own with a random id and, unless
// Options.KeepCase, random case; what comes back must match all of them, and
// an answer in the wrong case, a truncated one or one among many forgeries is
// asked for again over TCP. A server that fails or refuses is passed over for
// the next one. Of an answer only the CNAME chain's end counts.
type Client struct {
	opt     Options
	list    []*server
	metrics *Metrics
}

// server is one name server.
type server struct {
	addr    string
	trusted bool         // its AD counts
	slow    atomic.Int64 // Unix nanoseconds until which it is asked last
}

// NewClient returns a Client. It fails when a resolver is no address.
func NewClient(opt Options) (*Client, error) {
	list, err := opt.servers()
	if err != nil {
		return nil, err
	}
	return &Client{opt, list, opt.Metrics}, nil
}

// Lookup asks the servers in turn until one answers, for 20 s at most.
func (c *Client) Lookup(ctx context.Context, name string, t Type) (Answer, error) {
	norm, ok := Normal(name)
	if !ok {
		return Answer{}, unaskable(name, t)
	}
	ctx, cancel := context.WithTimeout(ctx, maxLookup)
	defer cancel()
	start := time.Now()
	a, err := c.rounds(ctx, norm, t)
	c.metrics.query(t, err, time.Since(start))
	return a, err
}

// rounds asks all servers, then again with more patience those that may just
// have been slow.
func (c *Client) rounds(ctx context.Context, name string, t Type) (Answer, error) {
	last := ErrTimeout
	for i := range c.opt.Attempts {
		pause := time.NewTimer(roundPause << i)
		silent := false
		for _, s := range c.order() {
			a, err := c.try(ctx, s, name, t, c.opt.Timeout<<i)
			if isFinal(err) {
				pause.Stop()
				return a, err
			}
			if ctx.Err() != nil {
				pause.Stop()
				return Answer{}, ended(ctx, name, t)
			}
			if silent = silent || errors.Is(err, ErrTimeout); errors.Is(err, ErrServFail) {
				last = ErrServFail
			}
		}
		if !silent || i == c.opt.Attempts-1 { // all answered that they cannot tell, or had their tries
			pause.Stop()
			break
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	return Answer{}, failed(name, t, last)
}

// order returns the servers in configured order, the silent ones last.
func (c *Client) order() []*server {
	if len(c.list) == 1 {
		return c.list
	}
	now := time.Now().UnixNano()
	list, slow := make([]*server, 0, len(c.list)), []*server(nil)
	for _, s := range c.list {
		if s.slow.Load() > now {
			slow = append(slow, s)
		} else {
			list = append(list, s)
		}
	}
	return append(list, slow...)
}

// try asks one server, over UDP and if need be TCP, with EDNS and if need be
// without, for at most d. An error that is not final is ErrServFail or
// ErrTimeout.
func (c *Client) try(ctx context.Context, s *server, name string, t Type, d time.Duration) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	m, err := c.exchange(ctx, s, newQuery(name, t, true, s.trusted, !c.opt.KeepCase))
	if err == nil && noEDNS(m) {
		c.metrics.retry("edns")
		m, err = c.exchange(ctx, s, newQuery(name, t, false, s.trusted, !c.opt.KeepCase))
	}
	if err != nil {
		c.metrics.retry("timeout")
		s.slow.Store(time.Now().Add(slowPenalty).UnixNano())
		return Answer{}, failed(name, t, err)
	}
	s.slow.Store(0)
	a, err := readAnswer(m, name, t, m.AuthenticatedData && s.trusted)
	if !isFinal(err) {
		c.metrics.retry("failure")
		err = failed(name, t, err)
	}
	return a, err
}

// noEDNS tells that the server did not understand the query, which it may
// without the OPT record (RFC 6891 section 7).
func noEDNS(m *wire.Msg) bool {
	return m.Rcode == wire.RcodeFormatError || m.Rcode == wire.RcodeNotImplemented || m.Rcode == wire.RcodeBadVers
}
