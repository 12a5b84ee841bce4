package spam

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// Metrics of the filter, of all generations of a process. The nil *Metrics
// counts nothing.
type Metrics struct {
	classes *prometheus.CounterVec
	scores  prometheus.Histogram
	seconds prometheus.Histogram
	failed  prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		classes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_spam_messages_total",
			Help: "Messages that the spam filter has judged, by class: ham, unsure, spam.",
		}, []string{"class"}),
		scores: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gapura_spam_score", Help: "Scores of messages; 0 is evens, 5 the default threshold.",
			Buckets: []float64{-20, -15, -10, -7.5, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12.5, 15, 20},
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gapura_spam_seconds", Help: "Time that judging a message took, waiting for the client apart.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1},
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			// Without a label: zones of some lists have their customer's key in them.
			Name: "gapura_spam_list_errors_total", Help: "DNS lists of the spam filter that did not answer for a message, or refused to; spam.list_errors tells which.",
		}),
	}
	reg.MustRegister(m.classes, m.scores, m.seconds, m.failed)
	return m
}

func (m *Metrics) scored(s model.Score, class string, took time.Duration) {
	if m == nil {
		return
	}
	m.classes.WithLabelValues(class).Inc()
	m.scores.Observe(s.Score)
	m.seconds.Observe(took.Seconds())
}

func (m *Metrics) unlisted(n int) {
	if m != nil {
		m.failed.Add(float64(n))
	}
}
