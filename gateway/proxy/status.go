package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// Status is the state of one backend.
type Status struct {
	Backend string    `json:"backend"`
	Up      bool      `json:"up"`              // or not tried yet
	Open    int       `json:"open"`            // connections
	Idle    int       `json:"idle"`            // of these at rest
	Error   string    `json:"error,omitempty"` // of the last attempt
	Until   time.Time `json:"until,omitzero"`  // passed over until then
}

// Status returns the state of the backends in configured order.
func (g *Group) Status() []Status {
	list := make([]Status, len(g.backends))
	for i, b := range g.backends {
		s := Status{Backend: b.target.url}
		s.Open, s.Idle = b.pool.size()
		b.mu.Lock()
		s.Up, s.Until = b.until.IsZero(), b.until.UTC()
		if b.lastErr != nil {
			s.Error = b.lastErr.Error()
		}
		b.mu.Unlock()
		list[i] = s
	}
	return list
}

// Ready tells whether any backend is not known to be down.
func (g *Group) Ready() bool {
	for _, b := range g.backends {
		b.mu.Lock()
		up := b.until.IsZero()
		b.mu.Unlock()
		if up {
			return true
		}
	}
	return false
}

// errRested: a connection that was kept tells nothing about the backend.
var errRested = errors.New("not a new connection")

// Probe connects to every backend that was not spoken to yet, or that is down
// and is to be tried again, so that Offers, Status and Ready know it. The error
// joins those of backends that do not answer.
func (g *Group) Probe(ctx context.Context) error {
	errs := make([]error, len(g.backends))
	var wg sync.WaitGroup
	for i, b := range g.backends {
		if !b.unknown(time.Now(), g.opt.ConnectTimeout) {
			continue
		}
		wg.Go(func() {
			_, errs[i] = b.run(ctx, func(c *conn) (bool, error) {
				if c.reused {
					return false, errRested
				}
				return true, nil
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Offers is what all backends offer that have been spoken to: what is safe to
// offer to clients, when a transaction may end at any of them. It is false
// while there is a backend that was never reached.
func (g *Group) Offers() (smtpc.Extensions, bool) {
	x := smtpc.Extensions{SMTPUTF8: true, EightBitMIME: true, DSN: true, RequireTLS: true, PRDR: true, DeliverBy: true, Extended: true}
	known := true
	for _, b := range g.backends {
		o := b.offers.Load()
		if o == nil {
			known = false
			continue
		}
		x.Extended = x.Extended && o.Extended
		x.SMTPUTF8 = x.SMTPUTF8 && o.SMTPUTF8
		x.EightBitMIME = x.EightBitMIME && o.EightBitMIME
		x.DSN = x.DSN && o.DSN
		x.RequireTLS = x.RequireTLS && o.RequireTLS && o.secure
		x.PRDR = x.PRDR && o.PRDR
		x.DeliverBy = x.DeliverBy && (o.DeliverBy || b.target.LMTP) // which delivers, and relays nothing
		if o.Size > 0 && (x.Size == 0 || o.Size < x.Size) {
			x.HasSize, x.Size = true, o.Size
		}
	}
	return x, known
}
