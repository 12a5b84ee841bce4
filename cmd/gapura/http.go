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
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	gen := s.gen.Load()
	if gen == nil {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	stores := gen.stores == nil || gen.stores(r.Context())
	down, able := gen.ready(stores)
	if !able {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else {
		fmt.Fprintln(w, "ok")
	}
	if !stores {
		fmt.Fprintln(w, "mail cannot be stored: the log says why")
	}
	for _, name := range down {
		fmt.Fprintln(w, "no backend of "+name+" answers")
	}
}

// ready names the domains whose mail is handed over in session and whose
// backends are all down, and tells whether other mail can be taken: what is
// queued, kept here, submitted or relayed waits for no backend, but must be
// stored.
func (g *generation) ready(stores bool) (down []string, able bool) {
	able = stores && len(g.cfg.Networks.Relay) > 0 || stores && slices.ContainsFunc(g.cfg.Listeners, func(l config.Listener) bool {
		return l.Auth || strings.HasPrefix(l.Protocol, "submission")
	})
	for _, d := range g.cfg.Domains {
		switch group := g.groups[d.Name]; {
		case group == nil || g.queued[d.Name]:
			able = able || stores
		case group.Ready():
			able = true
		default:
			down = append(down, d.Name)
		}
	}
	return down, able || stores && len(down) == 0
}
