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

// counters are those of one backend or route, by result.
type counters map[string]prometheus.Counter

// groupCounts are the metrics of one group, looked up once.
type groupCounts struct {
	verified, commits counters
	verify, commit    prometheus.Observer
}

func countersOf(v *prometheus.CounterVec, name string, results ...string) counters {
	c := counters{}
	for _, r := range results {
		c[r] = v.WithLabelValues(name, r)
	}
	return c
}

// inc counts a result, one of those that countersOf was given.
func (c counters) inc(result string) {
	if n := c[result]; n != nil {
		n.Inc()
	}
}

// backend returns the counters of the connections to a backend.
func (m *Metrics) backend(url string) counters {
	if m == nil {
		return nil
	}
	return countersOf(m.connections, url, "opened", "reused", "dead", "failed")
}

func (m *Metrics) group(name string) groupCounts {
	if m == nil {
		return groupCounts{}
	}
	return groupCounts{
		verified: countersOf(m.verified, name, "remembered", "asked", "refused-here", "unanswered"),
		commits:  countersOf(m.commits, name, "accepted", "mixed", "deferred", "rejected", "late-refusal", "in-doubt", "unanswered"),
		verify:   m.seconds.WithLabelValues(name, "verify"),
		commit:   m.seconds.WithLabelValues(name, "commit"),
	}
}

// observe counts the time since a step began.
func observe(o prometheus.Observer, since time.Time) {
	if o != nil {
		o.Observe(time.Since(since).Seconds())
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
