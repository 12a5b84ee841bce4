package mailbox

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of all mailboxes of a process.
type Metrics struct {
	stored   prometheus.Counter
	expunged prometheus.Counter
	refused  prometheus.Counter
	writes   prometheus.Histogram
	changes  prometheus.Counter
	store    atomic.Pointer[Store]
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &Metrics{
		stored:   counter("gapura_mailbox_stored_total", "Messages stored in folders: delivered, appended, copied, moved."),
		expunged: counter("gapura_mailbox_expunged_total", "Messages removed from folders."),
		refused:  counter("gapura_mailbox_over_quota_total", "Changes that did not fit into a quota."),
		changes:  counter("gapura_mailbox_changes_total", "Changes of mailboxes; many share a transaction."),
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gapura_mailbox_write_seconds", Help: "Time that a transaction of mailboxes takes.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}),
	}
	reg.MustRegister(m.stored, m.expunged, m.refused, m.changes, m.writes, m)
	return m
}

var (
	descHot  = prometheus.NewDesc("gapura_mailbox_users_in_memory", "Users whose folders are known in memory.", nil, nil)
	descRows = prometheus.NewDesc("gapura_mailbox_rows_in_memory", "Rows of messages that are in memory.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(c chan<- *prometheus.Desc) {
	c <- descHot
	c <- descRows
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	s := m.store.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	hot, rows := len(s.hot), s.entries
	s.mu.Unlock()
	c <- prometheus.MustNewConstMetric(descHot, prometheus.GaugeValue, float64(hot))
	c <- prometheus.MustNewConstMetric(descRows, prometheus.GaugeValue, float64(rows))
}

// wrote counts what a transaction did.
func (m *Metrics) wrote(p *plan, jobs int, took time.Duration) {
	if m == nil {
		return
	}
	m.changes.Add(float64(jobs))
	m.writes.Observe(took.Seconds())
	stored, expunged := 0, 0
	for _, d := range p.order {
		for _, e := range d.entries {
			if e.fresh {
				stored++
			}
			if e.gone {
				expunged++
			}
		}
	}
	m.stored.Add(float64(stored))
	m.expunged.Add(float64(expunged))
}
