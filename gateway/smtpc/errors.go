package smtpc

import (
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Step is a point in the dialogue.
type Step uint8

const (
	StepConnect  Step = iota + 1 // dialling
	StepTLS                      // a TLS handshake, and STARTTLS before it
	StepGreeting                 // the server's 220
	StepHello                    // EHLO, HELO, LHLO
	StepAuth
	StepCheck // the client itself: the server does not offer what the message needs
	StepMail
	StepRcpt
	StepData  // the DATA command
	StepBody  // sending the message
	StepDone  // the reply to the message
	StepReset // RSET
)

// String returns the step's name for logs and metrics.
func (s Step) String() string {
	if s < StepConnect || s > StepReset {
		return "none"
	}
	return [...]string{
		"connect", "tls", "greeting", "hello", "auth", "check", "mail", "rcpt", "data", "body", "done", "reset",
	}[s-1]
}

// Causes of an Error that a caller may tell apart.
var (
	ErrNoTLS     = errors.New("server does not offer STARTTLS")
	ErrInjection = errors.New("bytes after the reply to STARTTLS in plaintext")
	ErrProtocol  = errors.New("not a reply of SMTP")
	ErrNoAuth    = errors.New("no acceptable AUTH mechanism")
	ErrPlainAuth = errors.New("no AUTH without TLS")
	ErrClosed    = errors.New("connection is closed")
	ErrSize      = errors.New("message is not as long as was said")
)

// Error is a session that ended: the connection is closed.
type Error struct {
	Step Step
	// Reply is what the server said: 421 anywhere, or a refusal of greeting,
	// EHLO, STARTTLS or AUTH. Zero: it said nothing.
	Reply smtp.Reply
	// Err is the cause when it was no reply.
	Err error
	// Ambiguous: the last octet of the message was handed to the network and
	// no reply came, so the message may have been taken.
	Ambiguous bool
	// Source: the message could not be read, or is not as long as it was said
	// to be; the server is not at fault.
	Source bool
}

// Error describes the failure for logs.
func (e *Error) Error() string {
	if !e.Reply.IsZero() {
		return fmt.Sprintf("smtpc: %s: server says %s", e.Step, e.Reply.Error())
	}
	return fmt.Sprintf("smtpc: %s: %v", e.Step, e.Err)
}

// Unwrap gives the cause; the server's Reply is not in the chain, for it is
// no answer to whoever asked us.
func (e *Error) Unwrap() error { return e.Err }
