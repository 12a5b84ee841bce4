package queue

import (
	"context"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Transport carries queued mail to its next hop. Its methods are called by
// many goroutines at once.
type Transport interface {
	// Deliver tries to hand one message over to recipients of one
	// destination, and returns what became of each, in order. It keeps its own
	// deadlines; ctx ends at shutdown.
	Deliver(ctx context.Context, j *Job) []Outcome
}

// Job is one attempt at one message for recipients who share a next hop.
type Job struct {
	ID          string // trace id of the message
	From        smtp.ReversePath
	Sender      smtp.Address // who it is from, where From is made for this attempt to know bounces by; zero: From
	Params      smtp.MailParams
	Rcpts       []gateway.Recipient
	Route       string // label of the route: the key of a configured domain, or Outbound
	Destination string // lower-case ASCII domain that the recipients share
	User        string // who submitted it, "" : nobody who authenticated
	Queue       gateway.Queueing
	Attempt     int // from 1
	Queued      time.Time
	Size        int64
	// EightBit and UTF8Header are those of gateway.Copy.
	EightBit, UTF8Header bool
	// Open reads the message as gateway.Copy.Open does.
	Open func() (io.ReadCloser, error)
}

// Outbound is the route of mail that leaves by MX or smart host.
const Outbound = "outbound"

// Result is what became of a recipient in one attempt.
type Result uint8

const (
	Deferred  Result = iota // to be tried again
	Delivered               // the next hop has taken responsibility
	Failed                  // for good
)

// Outcome is what became of one recipient in one attempt.
type Outcome struct {
	Result Result
	Reply  smtp.Reply // of the next hop, or one of ours with an enhanced code
	Local  bool       // the reply is ours, not the next hop's
	MTA    string     // host name of the next hop, "" : none was reached
	Addr   string     // its address
	TLS    string     // version, cipher and how it was verified; "" : none
	// Destination: the whole next hop is to blame, not this message; others
	// to it need not be tried before Retry.
	Destination bool
	Retry       time.Duration // least time until the next attempt; 0: the schedule's
	// Untried: nothing was attempted, the transport itself wants to wait: for
	// a limit of its own on connections or messages, or because it knows that
	// the next hop is paused. It counts neither as an attempt nor as a failure
	// of the destination; Retry is then above 0, and with Destination it holds
	// for all mail to it.
	Untried bool
	// Relayed: the next hop does not know DSN, so that a success that was asked
	// for is reported as relayed (RFC 3461 section 5.2.2).
	Relayed bool
	// Untimed: the next hop does not know DELIVERBY (RFC 2852).
	Untimed bool
	// Final: the message is in the recipient's mailbox, and nobody else will
	// report a success that was asked for (RFC 3461 section 5.2.1).
	Final bool
}
