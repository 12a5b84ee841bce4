package main

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
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

// readyz tells whether mail can be taken: every domain has a backend that is
// thought to answer.
func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	gen := s.gen.Load()
	if gen == nil {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	for _, d := range gen.cfg.Domains {
		if group := gen.groups[d.Name]; group != nil && !group.Ready() {
			http.Error(w, "no backend of "+d.Name+" answers", http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}
