package suppress

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what the list does.
type Metrics struct{ total *prometheus.CounterVec }

// NewMetrics registers the metrics of the list with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_suppression_total", Help: "Suppression list: events noted, entries added by them or by hand, and recipients refused, by reason.",
	}, []string{"what", "reason"})}
	reg.MustRegister(m.total)
	return m
}

func (m *Metrics) count(what string, r Reason) {
	if m != nil {
		m.total.WithLabelValues(what, string(r)).Inc()
	}
}

func (m *Metrics) noted(r Reason)   { m.count("noted", r) }
func (m *Metrics) added(r Reason)   { m.count("added", r) }
func (m *Metrics) refused(r Reason) { m.count("refused", r) }
