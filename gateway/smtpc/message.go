package smtpc

import (
	"errors"
	"io"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Envelope is who a message is from and for.
type Envelope struct {
	From smtp.ReversePath
	// Params are those of whoever sent the message to us; what the server does
	// not offer is refused or dropped as the extension's RFC says. Size and
	// Body are corrected by the Message.
	Params smtp.MailParams
	Rcpts  []Rcpt // at least one
	// All gives the transaction up, before the message is sent, when any
	// recipient is refused.
	All bool
}

// Rcpt is one recipient.
type Rcpt struct {
	To     smtp.ForwardPath
	Params smtp.RcptParams
}

// Message is what is sent.
type Message struct {
	Size int64 // octets that Open gives; below 0: not known, no BDAT then
	// EightBit tells whether header or body may have octets above 127,
	// UTF8Header whether the header block has.
	EightBit, UTF8Header bool
	// Open reads the message with CRLF line ends, without dot-stuffing. It is
	// called at most twice a Send. If the reader is an io.WriterTo, its slices
	// go to the socket without a copy.
	Open func() io.ReadCloser
}

// high tells whether there is an octet above 127, or there may be.
func (m *Message) high() bool {
	r := m.Open()
	defer r.Close()
	_, err := io.Copy(sevenBit{}, r)
	return err != nil
}

var errHigh = errors.New("smtpc: 8-bit data")

// sevenBit takes octets up to 127.
type sevenBit struct{}

func (sevenBit) Write(p []byte) (int, error) {
	if smtp.HasHigh(p) {
		return 0, errHigh
	}
	return len(p), nil
}

// Result is how a transaction went.
type Result struct {
	// Step is where it was decided: StepCheck, StepMail, StepRcpt (nobody was
	// accepted, or with Envelope.All not everybody), StepData or StepDone.
	Step Step
	// Rcpts has one reply for each recipient, in order: the last one that is
	// about it. With StepRcpt the accepted ones have their 250, though nothing
	// was sent. A zero Reply: the connection broke before there was one.
	Rcpts []smtp.Reply
}

// all answers every recipient that has no refusal yet.
func (r *Result) all(step Step, reply smtp.Reply) {
	r.Step = step
	for i := range r.Rcpts {
		if r.Rcpts[i].IsZero() || r.Rcpts[i].Positive() {
			r.Rcpts[i] = reply
		}
	}
}

// forget takes back what was accepted: it must not be read as a promise.
func forget(replies []smtp.Reply) {
	for i := range replies {
		if replies[i].Positive() {
			replies[i] = smtp.Reply{}
		}
	}
}
