package inbound

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// Trial is a transaction of which nobody gets a copy: for those who want to
// know what a client would hear, and why. It goes the way of all others up to
// the verdict.
type Trial struct {
	s *session
	t *transaction
}

// Tried is what a client would hear about a recipient.
type Tried struct {
	Asked     smtp.ForwardPath
	Recipient gateway.Recipient   // as it was routed
	Ruling    pipeline.Ruling     // of filters and policy; zero where they were not asked
	Reply     smtp.Reply          // the refusal; zero: the recipient is taken
	To        []gateway.Recipient // whom copies would go to
}

// Try begins a trial at a time; close it. An error that wraps a smtp.Reply is
// the refusal of the sender. No reply has a trace id: it would be in no log.
func (h *Handler) Try(ctx context.Context, info smtpd.Info, from smtp.ReversePath, now time.Time) (*Trial, error) {
	first := info
	first.Helo, first.Extended = "", false
	c, _, err := h.Connect(ctx, first)
	if err != nil {
		return nil, err
	}
	s := c.(*session)
	if _, err = s.Helo(ctx, info); err == nil {
		var t *transaction
		if t, err = s.begin(ctx, from, smtp.MailParams{}, now); err == nil {
			return &Trial{s, t}, nil
		}
	}
	s.Close()
	if r, is := smtp.AsReply(err); is {
		err = plain(r)
	}
	return nil, err
}

// Submitted tells whether the client is one of our own.
func (x *Trial) Submitted() bool { return x.s.info.Submitted() }

// ID is the trace id of the transaction, by which the log has it.
func (x *Trial) ID() string { return x.t.id }

// Facts returns what was found so far.
func (x *Trial) Facts() gateway.Facts { return x.t.pipe.Facts() }

// Rcpts returns the recipients that were taken, with what was found about each.
func (x *Trial) Rcpts() []gateway.Recipient { return x.t.pipe.Rcpts() }

// Rcpt asks about a recipient.
func (x *Trial) Rcpt(ctx context.Context, to smtp.ForwardPath) (Tried, error) {
	t := x.t
	t.ruling = pipeline.Ruling{}
	_, err := t.Rcpt(ctx, to, smtp.RcptParams{})
	tried := Tried{Asked: to, Recipient: gateway.Recipient{To: to}, Ruling: t.ruling}
	if tried.Ruling.Refused() {
		tried.Recipient.Facts = t.pipe.Asked()
	}
	if err != nil {
		r, is := smtp.AsReply(err)
		tried.Reply = plain(r)
		if is {
			err = nil
		}
		return tried, err
	}
	all := x.Rcpts()
	tried.Recipient = all[len(all)-1]
	for _, goal := range t.goals[len(t.goals)-1] {
		tried.To = append(tried.To, goal.Recipient)
	}
	return tried, nil
}

// Judged is what a client would hear of a message.
type Judged struct {
	pipeline.Result
	Refusal smtp.Reply   // not zero: it is not even judged
	Replies []smtp.Reply // refusals, zero for those of whom a copy would be delivered
	// Kept: copies that are refused would be kept in quarantine, since the client
	// hears that the message was taken for others.
	Kept bool
}

// Data judges a message for the recipients that were taken.
func (x *Trial) Data(ctx context.Context, r io.Reader) (j Judged, err error) {
	a := &arriving{t: x.t, ctx: ctx}
	defer a.close()
	if j.Result, err = a.judge(r); err != nil || a.refusal != nil {
		if a.refusal != nil {
			j.Refusal = *a.refusal
		}
		return j, err
	}
	var all bool
	j.Replies, all = x.t.said(j.Result)
	j.Kept = !all && x.t.keeps(j.Result)
	for i, said := range j.Replies {
		if said.Positive() { // discarded
			j.Replies[i] = smtp.Reply{}
		}
	}
	return j, nil
}

// plain is a refusal without the trace id.
func plain(r smtp.Reply) smtp.Reply {
	if i := strings.LastIndex(r.Text, " (see "); i >= 0 {
		r.Text = r.Text[:i]
	}
	return r
}

// Close ends the trial.
func (x *Trial) Close() {
	x.t.Reset()
	x.s.Close()
}
