package learned

import "github.com/prometheus/client_golang/prometheus"

// Metrics of all Stores of a process.
type Metrics struct {
	lessons   *prometheus.CounterVec
	lost      prometheus.Counter
	threshold prometheus.Gauge
	drift     *prometheus.GaugeVec
	samples   *prometheus.GaugeVec
	layers    *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		lessons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_spam_lessons_total",
			Help: "Messages that were taught, by what came of it (move, admin: the source of what was learned; known, refused, undone) and class.",
		}, []string{"result", "class"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gapura_spam_sightings_lost_total",
			Help: "Messages that were not counted in the reputation of their senders, since too many came at once.",
		}),
		threshold: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gapura_spam_threshold",
			Help: "Score from which on mail is spam, as calibrated by mail that is known to be ham.",
		}),
		drift:   gauge("gapura_spam_drift", "How far the mail has moved from the base model: scores (population stability index, above 0.25 is much), ham_lost and spam_missed (shares of the samples at the model's own threshold, in percent), calibration (mean error of its probabilities).", "of"),
		samples: gauge("gapura_spam_samples", "Messages of known class by whose scores the threshold is calibrated.", "class"),
		layers:  gauge("gapura_spam_layers", "Layers of the installation, domains and users: in memory, and all.", "where"),
	}
	reg.MustRegister(m.lessons, m.lost, m.threshold, m.drift, m.samples, m.layers)
	return m
}

func (m *Metrics) lesson(result string, spam bool) {
	if m == nil {
		return
	}
	class := "ham"
	if spam {
		class = "spam"
	}
	m.lessons.WithLabelValues(result, class).Inc()
}

func (m *Metrics) dropped(n int64) {
	if m != nil {
		m.lost.Add(float64(n))
	}
}

func (m *Metrics) figures(c Calibration, d Drift, held, all int) {
	if m == nil {
		return
	}
	m.threshold.Set(c.Threshold)
	m.drift.WithLabelValues("scores").Set(d.Scores)
	m.drift.WithLabelValues("ham_lost").Set(d.HamLost)
	m.drift.WithLabelValues("spam_missed").Set(d.SpamMissed)
	m.drift.WithLabelValues("calibration").Set(d.Error)
	m.samples.WithLabelValues("ham").Set(float64(c.Ham))
	m.samples.WithLabelValues("spam").Set(float64(c.Spam))
	m.layers.WithLabelValues("memory").Set(float64(held))
	m.layers.WithLabelValues("all").Set(float64(all))
}
