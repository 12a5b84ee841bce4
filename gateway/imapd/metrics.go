package imapd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/imap"
)

// Metrics count what servers do. Use NewMetrics.
type Metrics struct {
	accepted *acceptor.Metrics
	commands *prometheus.CounterVec
	octets   *prometheus.CounterVec
	idle     *prometheus.GaugeVec
}

// NewMetrics registers the metrics of IMAP servers with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		accepted: acceptor.NewMetrics(reg, "imap"),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_imap_commands_total", Help: "Tagged replies, by command and status (OK, NO, BAD); OTHER is what is no command.",
		}, []string{"listener", "command", "status"}),
		octets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_imap_append_octets_total", Help: "Octets of messages that APPEND stored.",
		}, []string{"listener"}),
		idle: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gapura_imap_idle", Help: "Connections in IDLE.",
		}, []string{"listener"}),
	}
	reg.MustRegister(m.commands, m.octets, m.idle)
	return m
}

func (m *Metrics) accepting() *acceptor.Metrics {
	if m == nil {
		return nil
	}
	return m.accepted
}

// counters are the metrics of one listener, looked up once; nil: none.
type counters struct {
	commands map[imap.Name]*[statuses]prometheus.Counter
	octets   prometheus.Counter
	idle     prometheus.Gauge
}

func (m *Metrics) of(listener string) *counters {
	if m == nil {
		return nil
	}
	c := &counters{commands: make(map[imap.Name]*[statuses]prometheus.Counter), octets: m.octets.WithLabelValues(listener), idle: m.idle.WithLabelValues(listener)}
	add := func(name imap.Name) {
		c.commands[name] = &[statuses]prometheus.Counter{}
		for s := ok; s < statuses; s++ {
			c.commands[name][s] = m.commands.WithLabelValues(listener, string(name), s.String())
		}
	}
	add(otherCommand)
	for name := range table {
		add(name)
	}
	return c
}

func (c *counters) command(name imap.Name, s status) {
	if c == nil || s == none {
		return
	}
	if of := c.commands[name]; of != nil {
		of[s].Inc()
	}
}

func (c *counters) appended(octets int64) {
	if c != nil {
		c.octets.Add(float64(octets))
	}
}

func (c *counters) idling(n float64) {
	if c != nil {
		c.idle.Add(n)
	}
}
