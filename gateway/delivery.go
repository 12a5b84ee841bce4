package gateway

import (
	"context"
	"io"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Delivery carries copies of one message out, in two phases: nothing is
// promised before Commit returned, and whatever was begun ends with either
// Commit or Abort.
type Delivery interface {
	// Commit hands over and returns one reply for each recipient of the copy,
	// in order. A positive reply means durable or handed over. An error says
	// that nothing is known to have been taken; the client gets 451.
	Commit(ctx context.Context, c *Copy) ([]smtp.Reply, error)
	// Abort gives up whatever is still open. It may follow Commit.
	Abort()
}

// Preparer is a Delivery that can make a copy durable before it promises
// anything. Of a message that goes several ways, what is queued is prepared
// first, then the backend in session gets its final dot, then the rest is
// committed.
type Preparer interface {
	Delivery
	// Prepare stores the copy, out of sight until Commit of the same copy;
	// Abort, or a crash before Commit, forgets it. An error says that nothing
	// is stored.
	Prepare(ctx context.Context, c *Copy) error
}

// Copy is the message as one group of recipients gets it.
type Copy struct {
	ID     string // trace id, for logs and Received
	From   smtp.ReversePath
	Params smtp.MailParams
	Rcpts  []Recipient
	Kept   []*Kept // why it is to be kept apart, one for each of Rcpts; nil: it is delivered
	User   string  // who submitted it, "" : nobody who authenticated
	Queue  Queueing
	Facts  Facts // what was found about the message; none of one that was queued
	Size   int64 // octets that Open gives
	// PerRcpt: the sender hears what becomes of each recipient: by LMTP, by
	// PRDR, because there is only one, or from the queue. Else a refusal of some
	// is heard by nobody.
	PerRcpt bool
	// EightBit tells whether header or body may have octets above 127;
	// UTF8Header whether the header block has.
	EightBit, UTF8Header bool
	// Open reads the message: header block, empty line, body; CRLF line ends,
	// no dot-stuffing. Every call begins anew. The reader may be an
	// io.WriterTo.
	Open func() io.ReadCloser
}
