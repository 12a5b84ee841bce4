package bounce

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what comes back.
type Metrics struct{ total *prometheus.CounterVec }

// NewMetrics registers the metrics of bounces with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_returned_total", Help: "What came back, by kind (bounce, success, complaint, autoreply; smtp: refused in session; refused: a return address that is not ours, or a report about mail that was not sent) and reason.",
	}, []string{"kind", "reason"})}
	reg.MustRegister(m.total)
	return m
}

// reasons bounds the label: feedback types are strangers' words.
var reasons = map[string]bool{
	"abuse": true, "fraud": true, "virus": true, "not-spam": true, "opt-out": true, "auth-failure": true, "other": true,
}

func (m *Metrics) count(kind, reason string) {
	if m == nil {
		return
	}
	if kind == "complaint" && reason != "unread" && !reasons[reason] {
		reason = "other"
	}
	m.total.WithLabelValues(kind, reason).Inc()
}
