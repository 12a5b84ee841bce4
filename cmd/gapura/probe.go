package main

import (
	"context"
	"time"
)

// probeEvery is how often backends are probed that never answered, or are down
// and due.
const probeEvery = 20 * time.Second

// probe learns what the backends offer and then offers to clients what every
// one of them in session can honour: DSN and REQUIRETLS. It goes on to try those
// that are down, until the generation is closed: /readyz keeps the mail away
// that would tell that they work again.
func (s *server) probe(ctx context.Context, g *generation) {
	for offered := false; ; {
		known := true
		dsn, requireTLS := true, true
		for name, group := range g.groups {
			if g.queued[name] { // the queue honours them for its backends
				continue
			}
			try, cancel := context.WithTimeout(ctx, 30*time.Second)
			_ = group.Probe(try) // it tells of each backend itself
			cancel()
			offers, all := group.Offers()
			known = known && all
			dsn, requireTLS = dsn && offers.DSN, requireTLS && offers.RequireTLS
		}
		if known && !offered {
			s.offer(g, dsn, requireTLS)
			offered = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(probeEvery):
		}
	}
}

// offer makes the listeners of a generation offer what all routes honour.
func (s *server) offer(g *generation, dsn, requireTLS bool) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.gen.Load() != g || !dsn && !requireTLS {
		return
	}
	g.dsn, g.requireTLS = dsn, requireTLS
	for _, lc := range g.cfg.Listeners {
		if l := s.listeners[listenerKey{lc.Protocol, lc.Address}]; l != nil {
			s.reconfigure(l, lc, g)
		}
	}
}
