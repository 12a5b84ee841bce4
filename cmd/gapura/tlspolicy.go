package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
)

// openTLSPolicies opens MTA-STS and TLS-RPT. What they know is in the
// database, so that each generation has its own, on its own resolver.
func (g *generation) openTLSPolicies(s *server, r dns.Resolver, deps *outbound.Deps) error {
	ctx := context.Background()
	roots, err := outbound.Roots(g.cfg.Outbound.CA)
	if err != nil {
		return err
	}
	opt := g.cfg.MTASTS
	opt.Log, opt.Roots = s.log, roots
	policies, err := mtasts.Open(ctx, opt, s.db, r)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, func() { _ = policies.Close() })
	deps.Policies = policies
	ropt := g.cfg.TLSRPT
	ropt.Hostname, ropt.Log, ropt.Roots = g.cfg.Hostname, s.log, roots
	reports, err := tlsrpt.Open(ctx, ropt, s.db, r, mailer{s.keys, s.stores.queue, g.leads, true})
	if err != nil || reports == nil {
		return err
	}
	g.closers = append(g.closers, func() {
		if err := reports.Close(); err != nil {
			s.log.Error("TLS-RPT: counts not stored", "error", err.Error())
		}
	})
	deps.Reports = reports
	return nil
}

// stsPolicy serves the MTA-STS policies of our domains (RFC 8461 section 3.3).
// The web server in front, which has the certificates, passes the host on.
func (s *server) stsPolicy(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	domain, ok := strings.CutPrefix(strings.ToLower(host), "mta-sts.")
	gen := s.gen.Load()
	if !ok || gen == nil {
		http.NotFound(w, r)
		return
	}
	p, ok := gen.cfg.MTASTS.For(domain)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, p.Policy().String())
}
