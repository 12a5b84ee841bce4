package queue

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Metrics of all queues of a process.
type Metrics struct {
	accepted prometheus.Counter
	attempts *prometheus.CounterVec
	notices  *prometheus.CounterVec
	apart    *prometheus.CounterVec
	latency  prometheus.Histogram
	results  [3]prometheus.Counter
	queue    atomic.Pointer[Queue]
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gapura_queue_accepted_total",
			Help: "Entries that were queued: messages, each destination of one by itself.",
		}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_queue_attempts_total",
			Help: "Recipients of attempts at queued mail, by result: delivered, deferred, failed.",
		}, []string{"result"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_queue_notifications_total",
			Help: "Recipients told about in delivery status notifications, by action: failed, delayed, relayed; dropped: there was nobody to tell.",
		}, []string{"action"}),
		apart: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_quarantine_total",
			Help: "Copies in quarantine, each recipient's by itself, by what was done: kept, released, removed, expired; dropped: refused mail of which none was kept, since such copies take quarantine.refused octets.",
		}, []string{"action"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gapura_queue_delivery_seconds",
			Help:    "Time from the acceptance of a message to its delivery to a recipient.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 12),
		}),
	}
	for r := range m.results {
		m.results[r] = m.attempts.WithLabelValues(Result(r).String())
	}
	reg.MustRegister(m.accepted, m.attempts, m.notices, m.apart, m.latency, m)
	return m
}

// String returns the result's name in logs and metrics.
func (r Result) String() string { return [...]string{"deferred", "delivered", "failed"}[r] }

var (
	descMessages = prometheus.NewDesc("gapura_queue_entries",
		"Entries in the queue, by state: active (in memory: being tried or about to be), waiting, held.", []string{"state"}, nil)
	descApart  = prometheus.NewDesc("gapura_quarantine_entries", "Copies that are in quarantine.", nil, nil)
	descSpare  = prometheus.NewDesc("gapura_quarantine_refused_bytes", "What copies of refused mail take in quarantine; quarantine.refused bounds it.", nil, nil)
	descOldest = prometheus.NewDesc("gapura_queue_oldest_seconds", "Age of the oldest entry in the queue.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(c chan<- *prometheus.Desc) {
	c <- descMessages
	c <- descApart
	c <- descSpare
	c <- descOldest
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	q := m.queue.Load()
	if q == nil {
		return
	}
	n := q.Counts()
	for state, n := range map[string]int64{"active": n.Active, "waiting": n.Waiting, "held": n.Held} {
		c <- prometheus.MustNewConstMetric(descMessages, prometheus.GaugeValue, float64(n), state)
	}
	c <- prometheus.MustNewConstMetric(descApart, prometheus.GaugeValue, float64(n.Quarantined))
	c <- prometheus.MustNewConstMetric(descSpare, prometheus.GaugeValue, float64(q.taken()))
	if age, err := q.oldest(); err == nil {
		c <- prometheus.MustNewConstMetric(descOldest, prometheus.GaugeValue, age.Seconds())
	}
}

func (m *Metrics) attach(q *Queue) { m.queue.Store(q) }
func (m *Metrics) detach()         { m.queue.Store(nil) }

// notice counts what senders are told.
func (m *Metrics) notice(action string) {
	if m != nil {
		m.notices.WithLabelValues(action).Inc()
	}
}

// quarantined counts what was done with copies in quarantine.
func (m *Metrics) quarantined(action string, n int) {
	if m != nil {
		m.apart.WithLabelValues(action).Add(float64(n))
	}
}

// outcome counts what became of a recipient.
func (m *Metrics) outcome(r Result, age time.Duration) {
	if m == nil {
		return
	}
	m.results[r].Inc()
	if r == Delivered {
		m.latency.Observe(age.Seconds())
	}
}

// Counts are the entries of the queue.
type Counts struct {
	Active  int64 `json:"active"`  // in memory
	Waiting int64 `json:"waiting"` // on disk alone
	Held    int64 `json:"held"`

	Quarantined int64 `json:"quarantined"`
}

// Counts counts the entries.
func (q *Queue) Counts() Counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	loaded := int64(0)
	for _, b := range q.buckets {
		loaded += int64(b.loaded)
	}
	w := q.waiting
	return Counts{Active: int64(len(q.entries)), Waiting: w.rows - w.held - w.apart - loaded, Held: w.held, Quarantined: w.apart}
}

// oldest returns the age of the oldest entry: ids go up with time.
func (q *Queue) oldest() (time.Duration, error) {
	oldest := int64(never)
	for _, query := range [...]string{sqlOldest, sqlOldestHeld, sqlOldestNew} {
		rows, err := q.db.Read().Query(q.ctx, query)
		err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			if e, err := scanEntry(row); err == nil {
				oldest = min(oldest, e.msg.queued)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	if oldest == never {
		return 0, nil
	}
	return time.Duration(q.clock.now()-oldest) * time.Millisecond, nil
}
