package mailbox

import "github.com/prometheus/client_golang/prometheus"

// Metrics of all mailboxes of a process.
type Metrics struct{}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics { return &Metrics{} }
