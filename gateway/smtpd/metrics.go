package smtpd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/acceptor"
)

// Metrics count what servers do. The zero value does not; use NewMetrics.
type Metrics struct {
	*acceptor.Metrics
	commands *prometheus.CounterVec
	octets   *prometheus.CounterVec
}

// NewMetrics registers the metrics of SMTP servers with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Metrics: acceptor.NewMetrics(reg, "smtp"),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_smtp_commands_total", Help: "Replies to commands, by verb and first digit of the code; END is the reply to a message.",
		}, []string{"listener", "verb", "class"}),
		octets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapura_smtp_message_octets_total", Help: "Octets of messages read, those of refused ones included.",
		}, []string{"listener"}),
	}
	reg.MustRegister(m.commands, m.octets)
	return m
}

// verbs are the values of the label verb; others are counted as OTHER.
var verbs = [...]string{"CONNECT", "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "END", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "STARTTLS", "XCLIENT", "AUTH", "OTHER"}

func verbIndex(verb string) uint8 {
	for i, v := range verbs {
		if v == verb {
			return uint8(i)
		}
	}
	return uint8(len(verbs) - 1)
}

// counters are the metrics of one listener, looked up once.
type counters struct {
	on       bool
	commands [len(verbs)][6]prometheus.Counter
	octets   prometheus.Counter
}

func (m *Metrics) of(listener string) *counters {
	c := &counters{}
	if m == nil || m.commands == nil {
		return c
	}
	c.on = true
	c.octets = m.octets.WithLabelValues(listener)
	for i, v := range verbs {
		for class := 2; class <= 5; class++ {
			c.commands[i][class] = m.commands.WithLabelValues(listener, v, string(rune('0'+class)))
		}
	}
	return c
}

func (c *counters) command(verb uint8, code int) {
	if c.on && code >= 200 && code < 600 {
		c.commands[verb][code/100].Inc()
	}
}

func (c *counters) message(octets int64) {
	if c.on {
		c.octets.Add(float64(octets))
	}
}
