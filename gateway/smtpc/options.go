package smtpc

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// TLSMode says how a connection gets its TLS.
type TLSMode uint8

const (
	// TLSOff stays in plaintext, whatever the server offers.
	TLSOff TLSMode = iota
	// TLSOpportunistic uses STARTTLS when the server offers and accepts it.
	// A handshake that fails breaks the connection; the caller may dial again
	// with TLSOff.
	TLSOpportunistic
	// TLSRequired uses STARTTLS and fails without it.
	TLSRequired
	// TLSImplicit begins with the handshake (RFC 8314 section 3).
	TLSImplicit
)

// String returns the mode's name for logs.
func (m TLSMode) String() string {
	return [...]string{"off", "opportunistic", "required", "implicit"}[m]
}

// Options of a connection. The zero value is plain SMTP from "localhost".
type Options struct {
	// Hello is the argument of EHLO, HELO or LHLO: the client's own name.
	Hello string
	// LMTP says LHLO and expects one reply for each recipient (RFC 2033).
	LMTP bool

	TLS TLSMode
	// TLSConfig is cloned. Its ServerName defaults to the host of the address
	// dialled, its MinVersion to TLS 1.2.
	TLSConfig *tls.Config

	// Auth authenticates after TLS; nil: no AUTH.
	Auth *Auth

	Timeouts Timeouts

	// Dialer replaces net.Dialer, for tests and source addresses.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

	// NoPipelining and NoChunking leave an extension unused although the
	// server offers it.
	NoPipelining, NoChunking bool

	// InlineIdle is how long after the last sign of life of the server a
	// message may still be sent in one write with its envelope; default 1 s.
	// A connection that was idle for longer might be dead, and if the message
	// is sent whole into a dead connection, nobody knows what became of it.
	InlineIdle time.Duration
}

// Timeouts by phase; zero values become the ones of RFC 5321 section 4.5.3.2
// where it names one. A wait may last an eighth longer: a deadline that is set
// is not moved for each command.
type Timeouts struct {
	Connect   time.Duration // dialling; default 30 s
	TLS       time.Duration // a TLS handshake; default 1 min
	Greeting  time.Duration // default 5 min
	Command   time.Duration // EHLO, STARTTLS, AUTH, RSET; default 5 min
	Mail      time.Duration // default 5 min
	Rcpt      time.Duration // default 5 min
	DataInit  time.Duration // the 354; default 2 min
	DataBlock time.Duration // one write of at most 256 KiB; default 3 min
	DataDone  time.Duration // each reply after the message; default 10 min
	Quit      time.Duration // the farewell; default 2 s
}

func (t Timeouts) withDefaults() Timeouts {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&t.Connect, 30*time.Second)
	def(&t.TLS, time.Minute)
	def(&t.Greeting, smtp.TimeoutGreeting)
	def(&t.Command, smtp.TimeoutMail)
	def(&t.Mail, smtp.TimeoutMail)
	def(&t.Rcpt, smtp.TimeoutRcpt)
	def(&t.DataInit, smtp.TimeoutDataInit)
	def(&t.DataBlock, smtp.TimeoutDataBlock)
	def(&t.DataDone, smtp.TimeoutDataDone)
	def(&t.Quit, 2*time.Second)
	return t
}

func (o Options) withDefaults() Options {
	if o.Hello == "" {
		o.Hello = "localhost"
	}
	if o.InlineIdle == 0 {
		o.InlineIdle = time.Second
	}
	o.Timeouts = o.Timeouts.withDefaults()
	return o
}

// Bounds of what a server may make the client keep.
const (
	// MaxReplyLine is in octets with the line end; the rest of longer ones is
	// passed over. Lines and text of one reply are bounded by smtp.ReplyParser.
	MaxReplyLine = 1024
	maxLongLine  = 64 << 10
	maxAuthSteps = 10  // challenges of one AUTH
	rcptBatch    = 100 // RCPTs in one pipelined group
)

// InlineBody is the size up to which a message goes out in one write with its
// envelope where the server allows it.
const InlineBody = 64 << 10
