package pipeline

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var (
	elapsed = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gapura_filter_seconds",
		Help:    "Time from a filter's call to its answer.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
	}, []string{"filter"})
	failures = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_filter_failures_total",
		Help: "Answers of filters that did not come: timeout, error, panic, passed-over or no-room.",
	}, []string{"filter", "kind"})
)
