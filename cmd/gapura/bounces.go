package main

import (
	"time"

	"github.com/gapura-mail/gapura/gateway/bounce"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// returnKeyAge is when a new key signs return addresses: longer than any of
// them is good, with the keys that are kept.
const returnKeyAge = 90 * 24 * time.Hour

// openBounces prepares for what comes back.
func (g *generation) openBounces(s *server) error {
	signer, err := s.returns.Signer(g.cfg.Bounces.Days)
	if err != nil {
		return err
	}
	g.bounces, err = bounce.New(g.cfg.Bounces, bounce.Deps{Signer: signer, Suppress: s.suppress, Ours: g.ours, Log: s.log, Metrics: s.bounceMetrics})
	return err
}

// ours tells whether a domain is one of those that are configured by name.
func (g *generation) ours(domain string) bool {
	if domain == "" {
		return false
	}
	key, ok := g.routes.For(smtp.ForwardPath{Address: smtp.Address{Local: "postmaster", Domain: domain}})
	return ok && key != route.Default
}

// returns are the return addresses, as inbound asks.
type returns struct{ *bounce.Bounces }

var _ inbound.Returns = returns{}

// Return implements inbound.Returns.
func (r returns) Return(from smtp.ReversePath, to smtp.Address, ours bool) inbound.Returned {
	return inbound.Returned(r.Bounces.Return(from, to, ours))
}
