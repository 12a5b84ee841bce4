package queue

import (
	"context"
	"io"
	"slices"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// FromDelivery makes a Transport of in-session deliveries: those of the
// backends of a domain whose mail is queued. offers tells whether they pass on
// what senders want to be notified of (RFC 3461), and by when (RFC 2852).
func FromDelivery(begin func() gateway.Delivery, offers func() (dsn, deliverBy bool)) Transport {
	return handover{begin, offers, false}
}

// FromFinal makes a Transport of deliveries into mailboxes.
func FromFinal(begin func() gateway.Delivery) Transport { return handover{begin, nil, true} }

type handover struct {
	begin  func() gateway.Delivery
	offers func() (dsn, deliverBy bool)
	final  bool // nobody comes after it
}

// NextHop implements NextHop: the backends are one.
func (handover) NextHop(string, smtp.Address, gateway.Queueing) string { return "" }

var unread = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "the message could not be read")

// Deliver implements Transport.
func (h handover) Deliver(ctx context.Context, j *Job) []Outcome {
	c := &gateway.Copy{
		ID: j.ID, From: j.From, Params: j.Params, Rcpts: j.Rcpts, User: j.User, Queue: j.Queue, PerRcpt: true,
		Size: j.Size, EightBit: j.EightBit, UTF8Header: j.UTF8Header,
		Open: func() io.ReadCloser {
			r, err := j.Open()
			if err != nil {
				return errReader{err}
			}
			return r
		},
	}
	d := h.begin()
	defer d.Abort()
	replies, err := d.Commit(ctx, c)
	if err != nil || len(replies) == 0 {
		return same(len(j.Rcpts), Outcome{Reply: unread, Local: true})
	}
	dsn, deliverBy := h.final, h.final
	if !h.final {
		dsn, deliverBy = h.offers()
	}
	outs := make([]Outcome, len(j.Rcpts))
	for i := range outs {
		outs[i] = outcomeOf(replies[min(i, len(replies)-1)])
		taken := outs[i].Result == Delivered
		outs[i].Relayed, outs[i].Untimed, outs[i].Final = taken && !dsn, taken && !deliverBy, taken && h.final
		outs[i].Local = h.final
	}
	return outs
}

// gone are the codes of what is wrong with the next hop or the way there, and
// not with the message (RFC 3463).
var gone = []smtp.EnhancedCode{{4, 3, 2}, {4, 3, 5}, {4, 4, 1}, {4, 4, 5}, {4, 7, 0}}

// outcomeOf says what a backend's reply means.
func outcomeOf(r smtp.Reply) Outcome {
	switch {
	case r.Positive():
		return Outcome{Result: Delivered, Reply: r}
	case r.Permanent():
		return Outcome{Result: Failed, Reply: r}
	}
	return Outcome{Result: Deferred, Reply: r, Destination: slices.Contains(gone, r.Enhanced)}
}

// errReader fails.
type errReader struct{ err error }

// Read implements io.Reader.
func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// Close implements io.Closer.
func (errReader) Close() error { return nil }
