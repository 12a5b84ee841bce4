package inbound

import (
	"context"
	"io"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Returns know the return addresses that our mail leaves with, and those that
// complaints come to.
type Returns interface {
	// Return is asked about each recipient before it is routed; a zero
	// Returned says that it is an address like any other.
	Return(from smtp.ReversePath, to smtp.Address, ours bool) Returned
}

// Returned is what a recipient is that mail comes back to.
type Returned struct {
	To       smtp.Address // who gets the mail instead; zero: who was named
	Outbound bool         // To may be elsewhere: a sender whose mail was forwarded
	Reply    smtp.Reply   // the refusal; zero: none
	Discard  bool         // nobody gets the mail
	// Read is given the message once it is accepted, before the client is
	// told; nil: it is not read.
	Read func(ctx context.Context, header *message.Header, body io.Reader)
}

// returned asks what a recipient is, and puts who gets the mail in its place.
func (t *transaction) returned(to smtp.ForwardPath) (smtp.ForwardPath, Returned) {
	if t.s.h.opt.Returns == nil || to.Domain == "" {
		return to, Returned{}
	}
	back := t.s.h.opt.Returns.Return(t.from, to.Address, t.s.info.Submitted())
	if !back.To.IsZero() {
		to.Address = back.To
	}
	return to, back
}

// reader reads what came back to an accepted recipient.
type reader struct {
	rcpt int // which one
	read func(ctx context.Context, header *message.Header, body io.Reader)
}

// willRead notes that the recipient who is about to be accepted is to be read.
func (t *transaction) willRead(back Returned) {
	if back.Read != nil {
		t.readers = append(t.readers, reader{len(t.goals), back.Read})
	}
}

// read gives the message to those who read what came back.
func (t *transaction) read(ctx context.Context, a *arriving, replies []smtp.Reply) {
	for _, r := range t.readers {
		if len(replies) == 0 || !replies[min(r.rcpt, len(replies)-1)].Positive() {
			continue
		}
		body := a.body.Open()
		r.read(ctx, a.header, body)
		body.Close()
	}
}
