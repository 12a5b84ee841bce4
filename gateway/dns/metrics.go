package dns

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what Clients and Caches do. A nil *Metrics counts nothing.
type Metrics struct {
	queries *prometheus.CounterVec
	seconds prometheus.Histogram
	retries *prometheus.CounterVec
	hits    prometheus.Counter
	misses  prometheus.Counter
	shared  prometheus.Counter
	entries prometheus.Gauge
	bytes   prometheus.Gauge
}

// NewMetrics returns Metrics that are registered with reg; nil: with none.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	lookups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_dns_cache_lookups_total",
		Help: "Questions to the DNS cache, by what it did: hit, miss, or shared with a query under way.",
	}, []string{"result"})
	m := &Metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_dns_queries_total",
			Help: "Questions to the resolvers, by record type and outcome.",
		}, []string{"type", "result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gapura_dns_query_seconds",
			Help:    "Time until a question to the resolvers was answered or given up.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_dns_retries_total",
			Help: "Queries repeated, by reason: timeout, failure, tcp (a truncated or doubtful answer), edns.",
		}, []string{"reason"}),
		hits:    lookups.WithLabelValues("hit"),
		misses:  lookups.WithLabelValues("miss"),
		shared:  lookups.WithLabelValues("shared"),
		entries: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gapura_dns_cache_entries", Help: "Answers in the DNS cache."}),
		bytes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "gapura_dns_cache_bytes", Help: "Memory that the answers in the DNS cache take, about."}),
	}
	if reg != nil {
		reg.MustRegister(m.queries, m.seconds, m.retries, lookups, m.entries, m.bytes)
	}
	return m
}

func (m *Metrics) query(t Type, err error, d time.Duration) {
	if m != nil {
		m.queries.WithLabelValues(t.String(), result(err)).Inc()
		m.seconds.Observe(d.Seconds())
	}
}

func (m *Metrics) retry(reason string) {
	if m != nil {
		m.retries.WithLabelValues(reason).Inc()
	}
}

func (m *Metrics) hit() {
	if m != nil {
		m.hits.Inc()
	}
}

func (m *Metrics) miss(joined bool) {
	switch {
	case m == nil:
	case joined:
		m.shared.Inc()
	default:
		m.misses.Inc()
	}
}

func (m *Metrics) held(entries, bytes int) {
	if m != nil {
		m.entries.Add(float64(entries))
		m.bytes.Add(float64(bytes))
	}
}
