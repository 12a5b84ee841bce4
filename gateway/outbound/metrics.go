package outbound

import (
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/queue"
)

// Metrics counts what a Transport does. A nil *Metrics counts nothing.
type Metrics struct {
	attempts    *prometheus.CounterVec
	delivered   prometheus.Counter
	connections *prometheus.CounterVec
	reused      prometheus.Counter
	tls         *prometheus.CounterVec
	seconds     prometheus.Histogram
	listed      *prometheus.GaugeVec
	told        *prometheus.CounterVec
}

// NewMetrics returns Metrics that are registered with reg; nil: with none.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_outbound_recipients_total",
			Help: "Recipients of attempts, by what became of them and why: dns, route, connect, session, tls, auth, lost, reply, check, shape, message, ended.",
		}, []string{"result", "reason"}),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_outbound_connections_total",
			Help: "Connections to next hops: opened, reused, dead (a kept one that the next hop had closed), failed.",
		}, []string{"result"}),
		tls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_outbound_tls_total",
			Help: "New connections by their TLS: none, unverified, pkix, mta-sts, dane, and failed ones.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gapura_outbound_seconds",
			Help:    "Time that attempts took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1200},
		}),
	}
	m.listed = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gapura_outbound_source_listed", Help: "Whether an address of ours is on a block list.",
	}, []string{"source", "zone"})
	m.told = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_outbound_backoffs_total", Help: "Refusals that made a destination slower, by the name of the rule that knew them.",
	}, []string{"rule"})
	m.delivered = m.attempts.WithLabelValues("delivered", "")
	m.reused = m.connections.WithLabelValues("reused")
	if reg != nil {
		reg.MustRegister(m.attempts, m.connections, m.tls, m.seconds, m.listed, m.told)
	}
	return m
}

func (m *Metrics) connection(result string) {
	switch {
	case m == nil:
	case result == "reused":
		m.reused.Inc()
	default:
		m.connections.WithLabelValues(result).Inc()
	}
}

func (m *Metrics) recipient(r queue.Result, reason string) {
	switch {
	case m == nil:
	case r == queue.Delivered:
		m.delivered.Inc()
	case r == queue.Failed:
		m.attempts.WithLabelValues("failed", reason).Inc()
	default:
		m.attempts.WithLabelValues("deferred", reason).Inc()
	}
}

func (m *Metrics) secured(result string) {
	if m != nil {
		m.tls.WithLabelValues(result).Inc()
	}
}

func (m *Metrics) isListed(a netip.Addr, zone string, on bool) {
	if m == nil {
		return
	}
	v := 0.0
	if on {
		v = 1
	}
	m.listed.WithLabelValues(a.String(), zone).Set(v)
}

func (m *Metrics) slowed(rule string) {
	if m != nil {
		m.told.WithLabelValues(rule).Inc()
	}
}

func (m *Metrics) took(d time.Duration) {
	if m != nil {
		m.seconds.Observe(d.Seconds())
	}
}
