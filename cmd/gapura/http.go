package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gapura-mail/gapura/config"
)

// httpHandler answers /healthz, /readyz, /metrics, and what is published.
func (s *server) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	s.publish(mux)
	mux.Handle("GET /metrics", promhttp.Handler())
	return mux
}

// readyz tells whether any mail can be taken. Whoever spreads connections over
// several gateways takes this one out where not: a domain whose backends are all
// down keeps no other domain's mail away, and is named.
func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	gen := s.gen.Load()
	if gen == nil {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	down, able := gen.ready()
	if !able {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else {
		fmt.Fprintln(w, "ok")
	}
	for _, name := range down {
		fmt.Fprintln(w, "no backend of "+name+" answers")
	}
}

// ready names the domains whose mail is handed over in session and whose
// backends are all down, and tells whether other mail can be taken: what is
// queued, kept here, submitted or relayed waits for no backend.
func (g *generation) ready() (down []string, able bool) {
	able = len(g.cfg.Networks.Relay) > 0 || slices.ContainsFunc(g.cfg.Listeners, func(l config.Listener) bool {
		return l.Auth || strings.HasPrefix(l.Protocol, "submission")
	})
	for _, d := range g.cfg.Domains {
		if group := g.groups[d.Name]; group == nil || g.queued[d.Name] || group.Ready() {
			able = true
		} else {
			down = append(down, d.Name)
		}
	}
	return down, able || len(down) == 0
}
