package account

import "github.com/prometheus/client_golang/prometheus"

// Metrics count exchanges.
type Metrics struct{ auth *prometheus.CounterVec }

// NewMetrics registers the metrics of accounts with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{auth: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_auth_total", Help: "SASL exchanges, by mechanism and result: ok, credentials, throttled, temporary, exchange (malformed or given up), cancelled (the client went away).",
	}, []string{"mechanism", "result"})}
	reg.MustRegister(m.auth)
	return m
}

// count counts one exchange.
func (m *Metrics) count(mechanism, result string) {
	if m != nil {
		m.auth.WithLabelValues(mechanism, result).Inc()
	}
}
