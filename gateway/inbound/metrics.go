package inbound

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var (
	sessions = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_sessions_total",
		Help: "Connections that were greeted, by protocol of the listener.",
	}, []string{"listener"})
	refusals = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_refusals_total",
		Help: "Refused recipients and messages, by the stage that refused and the action.",
	}, []string{"stage", "action"})
	messages = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "gapura_messages_total",
		Help: "Messages, the copy of each recipient by itself, by outcome: accepted, refused, deferred, discarded, quarantined, dropped (refused for some, while the client was told 250 for others); and those that did not arrive: aborted, no-room.",
	}, []string{"outcome"})
	bytesIn = promauto.NewCounter(prometheus.CounterOpts{
		Name: "gapura_message_bytes_total",
		Help: "Octets of messages that arrived whole.",
	})
	verdictTime = promauto.NewHistogram(prometheus.HistogramOpts{
		Name:    "gapura_verdict_seconds",
		Help:    "Time from the end of a message to the verdict.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
	})
	handoverTime = promauto.NewHistogram(prometheus.HistogramOpts{
		Name:    "gapura_handover_seconds",
		Help:    "Time from the verdict to the next hop's answer.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
	})
)
