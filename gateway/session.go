package gateway

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Session is one connection of a client. Filters get it as a snapshot: it
// does not change while they look at it.
type Session struct {
	ID       string         // ULID
	Listener string         // protocol of the listener: smtp, lmtp, submission, submissions
	Remote   netip.AddrPort // the client, after PROXY or XCLIENT; invalid on a unix socket
	Local    netip.AddrPort
	Helo     string // argument of HELO, EHLO or LHLO; "" before it
	Extended bool   // EHLO or LHLO, not HELO
	TLS      *tls.ConnectionState
	User     string // authenticated identity, "" : none
	Relay    bool   // the client's network may relay
	Started  time.Time
}

// Submitted tells whether the client is one of our own: what it sends is
// submitted (RFC 6409), not received from strangers.
func (s *Session) Submitted() bool { return s.User != "" || s.Relay }

// LMTP tells whether the session speaks LMTP (RFC 2033).
func (s *Session) LMTP() bool { return s.Listener == "lmtp" }

// Recipient is one accepted RCPT.
type Recipient struct {
	To     smtp.ForwardPath
	Params smtp.RcptParams
	Route  string // label of the route: the configuration's domain key
	Facts  Facts  // what filters found about this recipient alone
}

// Transaction is a mail transaction (RFC 5321 section 3.3) as a filter sees
// it: a snapshot, filled in stage by stage.
type Transaction struct {
	ID      string // ULID; also the trace id in replies; the session's before MAIL
	Session *Session
	From    smtp.ReversePath // from StageMail on
	Params  smtp.MailParams
	Rcpts   []Recipient     // at StageRcpt those accepted before, and the one asked about as the last
	Header  *message.Header // from StageHeader on
	Size    int64           // octets of the whole message; at StageMessage
	Facts   Facts           // what the filters asked before have found
	Now     time.Time       // the clock that checks go by
}

// Stage is a point in the dialogue at which filters are asked.
type Stage uint8

const (
	StageConnect Stage = iota + 1
	StageHelo
	StageMail
	StageRcpt    // once for each RCPT
	StageHeader  // the header block is complete, the body still arrives
	StageMessage // the message is complete
	// StageSubmission takes the place of all others for mail that our own users
	// and machines send: the message is complete.
	StageSubmission
)

// Stages lists all stages in order; a message meets StageSubmission alone, or
// the others.
var Stages = []Stage{StageConnect, StageHelo, StageMail, StageRcpt, StageHeader, StageMessage, StageSubmission}

// String returns the stage's name in policy files.
func (s Stage) String() string {
	switch s {
	case StageConnect:
		return "connect"
	case StageHelo:
		return "helo"
	case StageMail:
		return "mail"
	case StageRcpt:
		return "rcpt"
	case StageHeader:
		return "header"
	case StageMessage:
		return "message"
	case StageSubmission:
		return "submission"
	}
	return "none"
}
