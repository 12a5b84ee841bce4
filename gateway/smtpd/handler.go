// Package smtpd is the server side of SMTP and LMTP: it knows bytes, order
// and bounds of the dialogue (RFC 5321, RFC 2033 and the extensions in
// extensions.go), and asks a Handler what commands mean.
package smtpd

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Info is what the server knows of a connection at the time of a call.
type Info struct {
	Listener string         // Options.Protocol
	Remote   netip.AddrPort // after PROXY and XCLIENT; invalid on a unix socket
	Local    netip.AddrPort
	Helo     string // argument of the last HELO, EHLO or LHLO
	Extended bool   // EHLO or LHLO
	TLS      *tls.ConnectionState
	User     string // of XCLIENT LOGIN or AUTH
	Started  time.Time
	Session  string // id that the handler gave the session; set by the handler for those that it asks
}

// Handler decides about connections. Every method of Handler, Session and
// Transaction answers with a Reply and an error: a zero Reply without error
// means the command's usual success; an error that wraps a smtp.Reply is that
// refusal; any other error is logged and answered with 451 4.3.0, its text
// never leaves. A Reply of code 421 closes the connection.
type Handler interface {
	// Connect is called before the greeting, which waits for it: it looks
	// nothing up. After XCLIENT it is called again.
	Connect(ctx context.Context, info Info) (Session, smtp.Reply, error)
}

// Session is the handler's side of one connection. Its methods are called one
// at a time. ctx ends when the connection does.
type Session interface {
	// Helo is called for HELO, EHLO and LHLO, and so again after STARTTLS.
	Helo(ctx context.Context, info Info) (smtp.Reply, error)
	// Mail begins a transaction.
	Mail(ctx context.Context, from smtp.ReversePath, p smtp.MailParams) (Transaction, smtp.Reply, error)
	// Close is called once, when the connection has ended or XCLIENT begins
	// another session.
	Close()
}

// Authenticator is a Session whose clients may authenticate (RFC 4954).
type Authenticator interface {
	// Mechanisms lists the SASL mechanisms that the client may use now; none:
	// AUTH is not offered. Without TLS there are none.
	Mechanisms(info Info) []string
	// Auth runs one exchange. initial is the client's initial response, nil:
	// it sent none; ask sends a challenge and returns the response, decoded,
	// and fails when the client gave up or is gone. The zero Reply means 235,
	// and a refusal never tells whether the user exists.
	Auth(ctx context.Context, mechanism string, initial []byte, ask func(challenge []byte) ([]byte, error)) (login Login, r smtp.Reply, err error)
}

// Login is who has logged in.
type Login struct {
	User string // as whom the client acts
	By   string // who it is, mostly the same; "" : the same
}

// Traced is a Session or a Transaction with a name in the log, which the
// server's own refusals then carry.
type Traced interface {
	TraceID() string
}

// Transaction is one mail transaction. It ends with Data or with Reset.
type Transaction interface {
	Rcpt(ctx context.Context, to smtp.ForwardPath, p smtp.RcptParams) (smtp.Reply, error)
	// Data reads the message from r, whose io.EOF alone means that it came
	// whole: dots unstuffed, every line ended by CRLF, within the size limit.
	// On any other error of r the transaction is void, and what Data returns
	// is not sent; the server has its own reply. r may implement io.WriterTo.
	// With LMTP or PRDR, Data returns one reply for each accepted recipient,
	// in order, else one; a single one always stands for all.
	Data(ctx context.Context, r io.Reader) ([]smtp.Reply, error)
	// Reset gives the transaction up: RSET, a new EHLO, STARTTLS, or the end
	// of the connection.
	Reset()
}
