package inbound

import (
	"context"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// What other parts do for mail that comes in. Each may be missing. An error of
// theirs that wraps a smtp.Reply is what the client hears; any other is logged
// and 451.

// Accounts know who may log in, and as whom they may write.
type Accounts interface {
	// Mechanisms and Authenticate are those of smtpd.Authenticator.
	Mechanisms(info smtpd.Info) []string
	Authenticate(ctx context.Context, info smtpd.Info, mechanism string, initial []byte, ask func(challenge []byte) ([]byte, error)) (login smtpd.Login, r smtp.Reply, err error)
	// MaySend tells whether user may write mail from the address.
	MaySend(ctx context.Context, user string, from smtp.Address) (bool, error)
}

// Aliases lead addresses of our domains to where their mail goes.
type Aliases interface {
	// Resolve returns the targets of an address: itself alone where it is no
	// alias. Their number is bounded, and aliases that lead in a circle are an
	// error.
	Resolve(ctx context.Context, to smtp.Address) ([]smtp.Address, error)
}

// Queue takes copies in durably; route is the key of a configured domain, or
// route.Outbound.
type Queue interface {
	Delivery(route string) gateway.Preparer
	// Ready tells whether it can, as far as is known.
	Ready(ctx context.Context) bool
}

// Sender is who submits a message.
type Sender struct {
	User string // "" : a client of a network that may relay
	IP   netip.Addr
	From smtp.ReversePath
	// OverQuota: a recipient of the same message was refused by Quota before.
	OverQuota bool
}

// Quota bounds what senders send.
type Quota interface {
	// Mail is asked before a message, Rcpt before each of its recipients, of
	// whom the message has n already. A refusal is the client's reply.
	Mail(ctx context.Context, s Sender) (smtp.Reply, error)
	Rcpt(ctx context.Context, s Sender, n int, to smtp.Address) (smtp.Reply, error)
	// Take counts a message that is about to be accepted.
	Take(ctx context.Context, s Sender, to []smtp.Address, size int64) (Grant, error)
}

// Grant is a quota's consent to one message.
type Grant struct {
	Text  string // is added to the reply, "" : nothing
	Hold  string // why the message waits for an administrator, "" : it does not
	Reply smtp.Reply
	Undo  func() // counts it back: the message was not accepted after all; may be nil
}

// Suppression knows recipients who are not to be written to.
type Suppression interface {
	// Suppressed returns the refusal of a recipient, a zero Reply for most.
	Suppressed(ctx context.Context, s Sender, to smtp.Address) (smtp.Reply, error)
}

// Signer signs mail that our own users and machines send.
type Signer interface {
	// Active tells whether there is anything to sign with; else mail is not
	// hashed for it.
	Active() bool
	// Form is the form of the body that is hashed while it arrives.
	Form() mailauth.BodyForm
	// Sign returns fields to be put on top of the header, which is final but
	// for them; none where the mail is not to be signed.
	Sign(ctx context.Context, m *Unsigned) ([]byte, error)
}

// Unsigned is a message that is about to be signed.
type Unsigned struct {
	Sender
	ID     string
	Header *message.Header
	Body   mailauth.BodyHash // in the Signer's Form
	Others []string          // domains in From that are not the sender's: their keys do not sign
	Time   time.Time
}

// Rewrite returns the envelope sender of mail that is forwarded by an address
// of domain to somebody elsewhere (SRS).
type Rewrite func(from smtp.ReversePath, domain string) smtp.ReversePath

// Submission is what is done for mail of our own users and machines.
type Submission struct {
	// Whether the client's address and name are left out of the Received
	// field that is added.
	HideClient bool `yaml:"hide_client"`
	// Whether Date, Message-ID and From are added where a client left them out,
	// and Bcc and Return-Path taken away (RFC 6409 section 8).
	Fixups bool `yaml:"fixups"`
	// Whom a user may name as author: own, every address in From and Sender is
	// one that the user may use; sender, others too, and the user is named in Sender;
	// any, it is not looked at. The envelope sender is always the user's own.
	CheckFrom string `yaml:"check_from"`
	// Whether recipients whose domain cannot exist are refused at once, instead
	// of by a bounce: names without a dot, address literals, numbers, and the
	// names that are reserved to be nobody's (RFC 6761, RFC 7686).
	CheckRecipients bool `yaml:"check_recipients"`
	// How long a client may ask to hold a message at most (FUTURERELEASE, RFC
	// 4865); 0: not at all.
	FutureRelease time.Duration `yaml:"future_release"`
}

// The values of CheckFrom.
const (
	CheckFromOwn    = "own"
	CheckFromSender = "sender"
	CheckFromAny    = "any"
)

// DefaultSubmission is what is done where nothing is written.
func DefaultSubmission() Submission {
	return Submission{Fixups: true, CheckFrom: CheckFromOwn, CheckRecipients: true, FutureRelease: 30 * 24 * time.Hour}
}
