package search

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of a search index.
type Metrics struct {
	changes prometheus.Counter
	read    prometheus.Counter
	times   prometheus.Histogram
	backlog *prometheus.Desc
	index   atomic.Pointer[Index]
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		changes: prometheus.NewCounter(prometheus.CounterOpts{Name: "gapura_search_indexed_total", Help: "Messages that were taken into the search index, or out of it."}),
		read:    prometheus.NewCounter(prometheus.CounterOpts{Name: "gapura_search_read_total", Help: "Messages that searches had to read, which the index did not know exactly or not yet."}),
		times: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gapura_search_seconds", Help: "Time that a search for a text takes.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		backlog: prometheus.NewDesc("gapura_search_backlog", "Changes of mailboxes that the search index has not taken up. While the index is made anew, older messages come on top.", nil, nil),
	}
	reg.MustRegister(m.changes, m.read, m.times, m)
	return m
}

// backlogTime bounds how long a scrape waits for the database.
const backlogTime = time.Second

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(c chan<- *prometheus.Desc) { c <- m.backlog }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	x := m.index.Load()
	if x == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), backlogTime)
	defer cancel()
	if last, err := x.deps.Feed.LastEvent(ctx); err == nil {
		c <- prometheus.MustNewConstMetric(m.backlog, prometheus.GaugeValue, float64(max(last-x.reached.Load(), 0)))
	}
}

func (m *Metrics) observe(x *Index) {
	if m != nil {
		m.index.Store(x)
	}
}

func (m *Metrics) indexed(n int) {
	if m != nil {
		m.changes.Add(float64(n))
	}
}

func (m *Metrics) opened(n int) {
	if m != nil {
		m.read.Add(float64(n))
	}
}

func (m *Metrics) searched(begin time.Time) {
	if m != nil {
		m.times.Observe(time.Since(begin).Seconds())
	}
}
