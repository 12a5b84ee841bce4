package acceptor

import "github.com/prometheus/client_golang/prometheus"

// Metrics count the connections of servers of one family of protocols.
type Metrics struct {
	connections *prometheus.CounterVec
	open        *prometheus.GaugeVec
}

// NewMetrics registers gapura_FAMILY_connections_total and
// gapura_FAMILY_connections_open with reg.
func NewMetrics(reg prometheus.Registerer, family string) *Metrics {
	m := &Metrics{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_" + family + "_connections_total", Help: "Connections, by how they began: accepted, refused (over a limit), proxy (bad PROXY header), tls (failed handshake), early (talked before the greeting).",
		}, []string{"listener", "result"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gapura_" + family + "_connections_open", Help: "Connections that are open.",
		}, []string{"listener"}),
	}
	reg.MustRegister(m.connections, m.open)
	return m
}

// counters are the metrics of one listener, looked up once; nil: none.
type counters struct {
	open     prometheus.Gauge
	m        *Metrics
	listener string
}

func (m *Metrics) of(listener string) *counters {
	if m == nil {
		return nil
	}
	return &counters{open: m.open.WithLabelValues(listener), m: m, listener: listener}
}

func (c *counters) opened(n float64) {
	if c != nil {
		c.open.Add(n)
	}
}

func (c *counters) began(result string) {
	if c != nil {
		c.m.connections.WithLabelValues(c.listener, result).Inc()
	}
}
