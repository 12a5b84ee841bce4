package quota

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what limits do.
type Metrics struct{ total *prometheus.CounterVec }

// NewMetrics registers the metrics of quotas with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_quota_total", Help: "Sending limits: commands refused, messages of held senders taken, alerts.",
	}, []string{"what"})}
	reg.MustRegister(m.total)
	return m
}

func (m *Metrics) count(what string) {
	if m != nil {
		m.total.WithLabelValues(what).Inc()
	}
}
