package pop3d

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/acceptor"
)

// Metrics count what servers do; see NewMetrics.
type Metrics struct {
	connections *acceptor.Metrics
	commands    *prometheus.CounterVec
	octets      *prometheus.CounterVec
}

// NewMetrics registers the metrics of POP3 servers with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		connections: acceptor.NewMetrics(reg, "pop3"),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_pop3_commands_total", Help: "Commands, by verb and result: ok or err.",
		}, []string{"listener", "verb", "result"}),
		octets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_pop3_message_octets_total", Help: "Octets of messages sent.",
		}, []string{"listener"}),
	}
	reg.MustRegister(m.commands, m.octets)
	return m
}

func (m *Metrics) accepting() *acceptor.Metrics {
	if m == nil {
		return nil
	}
	return m.connections
}

// counters are the metrics of one listener, looked up once; nil: none.
type counters struct {
	ok, err []prometheus.Counter // by place in commands, the last for all others
	octets  prometheus.Counter
}

func (m *Metrics) of(listener string) *counters {
	if m == nil {
		return nil
	}
	c := &counters{octets: m.octets.WithLabelValues(listener)}
	add := func(verb string) {
		c.ok = append(c.ok, m.commands.WithLabelValues(listener, verb, "ok"))
		c.err = append(c.err, m.commands.WithLabelValues(listener, verb, "err"))
	}
	for i := range commands {
		add(commands[i].name)
	}
	add("OTHER")
	return c
}

func (c *counters) command(i int, ok bool) {
	switch {
	case c == nil:
	case ok:
		c.ok[i].Inc()
	default:
		c.err[i].Inc()
	}
}

func (c *counters) sent(octets int64) {
	if c != nil {
		c.octets.Add(float64(octets))
	}
}
