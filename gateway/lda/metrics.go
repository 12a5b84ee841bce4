package lda

import "github.com/prometheus/client_golang/prometheus"

// Metrics of all deliveries of a process. The nil *Metrics counts nothing.
type Metrics struct{ copies, scripts, sent *prometheus.CounterVec }

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		copies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_local_copies_total",
			Help: "Copies for users, by what became of them: stored, known (stored before), discarded, redirected (and not stored), rejected, full, failed (the sender tries again).",
		}, []string{"outcome"}),
		scripts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_sieve_runs_total",
			Help: "Runs of users' Sieve scripts, by how they ended: ok, error.",
		}, []string{"result"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_sieve_sent_total",
			Help: "Mail that users' Sieve scripts sent: redirect, vacation, notify, reject.",
		}, []string{"action"}),
	}
	reg.MustRegister(m.copies, m.scripts, m.sent)
	return m
}

func (m *Metrics) copied(outcome string) {
	if m != nil {
		m.copies.WithLabelValues(outcome).Inc()
	}
}

func (m *Metrics) ran(err error) {
	if m == nil {
		return
	}
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.scripts.WithLabelValues(result).Inc()
}

func (m *Metrics) send(action string) {
	if m != nil {
		m.sent.WithLabelValues(action).Inc()
	}
}
