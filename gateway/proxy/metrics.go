package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what Groups do. A nil *Metrics counts nothing.
type Metrics struct {
	connections *prometheus.CounterVec
	verified    *prometheus.CounterVec
	commits     *prometheus.CounterVec
	up          *prometheus.GaugeVec
	seconds     *prometheus.HistogramVec
}

// NewMetrics returns Metrics that are registered with reg; nil: with none.
// One serves all groups.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_backend_connections_total",
			Help: "Connections to backends: opened, reused, dead (a kept one that the backend had closed), failed.",
		}, []string{"backend", "result"}),
		verified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_backend_verify_total",
			Help: "Recipients verified, by where the answer came from: remembered, asked, refused-here (by what the backends do not offer), unanswered.",
		}, []string{"route", "result"}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_backend_commits_total",
			Help: "Hand-overs: accepted, mixed, deferred, rejected, late-refusal (a recipient verified before), in-doubt, unanswered.",
		}, []string{"route", "result"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gapura_backend_up",
			Help: "Whether the last attempt to reach the backend went well.",
		}, []string{"backend"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gapura_backend_seconds",
			Help:    "Time that backends took, waiting for a connection included, by step: verify, commit.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"route", "step"}),
	}
	if reg != nil {
		reg.MustRegister(m.connections, m.verified, m.commits, m.up, m.seconds)
	}
	return m
}

func (m *Metrics) connection(backend, result string) {
	if m != nil {
		m.connections.WithLabelValues(backend, result).Inc()
	}
}

func (m *Metrics) verify(group, result string) {
	if m != nil {
		m.verified.WithLabelValues(group, result).Inc()
	}
}

func (m *Metrics) commit(group, result string) {
	if m != nil {
		m.commits.WithLabelValues(group, result).Inc()
	}
}

func (m *Metrics) isUp(backend string, up bool) {
	if m == nil {
		return
	}
	v := 0.0
	if up {
		v = 1
	}
	m.up.WithLabelValues(backend).Set(v)
}

func (m *Metrics) took(group, step string, since time.Time) {
	if m != nil {
		m.seconds.WithLabelValues(group, step).Observe(time.Since(since).Seconds())
	}
}
