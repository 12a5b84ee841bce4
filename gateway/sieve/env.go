package sieve

import (
	"context"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Env is what a script is run on. Only Message is needed; what is nil or zero
// is answered as if there were none of it.
type Env struct {
	Message  Message
	Envelope Envelope
	// Addresses are the user's own, the main one first: vacation replies only
	// to mail for one of them (RFC 5230 section 4.5), and mail that one of
	// them redirected already is not redirected again.
	Addresses []smtp.Address
	// Postmaster is who notices of rejection and notifications come from; the
	// zero value: postmaster at the recipient's domain.
	Postmaster smtp.Address
	// Now is when the script runs: currentdate. Its location is the zone of
	// tests that name none.
	Now time.Time
	// Items are what the environment test finds (RFC 5183), by names in lower
	// case: domain, host, location, name, phase, remote-host, remote-ip,
	// version.
	Items map[string]string
	// Spam is how likely the message is spam, 0 to 100 percent (RFC 5235
	// section 2.2.1), where SpamTested says that somebody looked.
	Spam       int
	SpamTested bool
	// Virus is the value of virustest (RFC 5235 section 2.3): 0 not tested, 1
	// clean, 2 cured, 3 probably cured, 4 probably infected, 5 infected.
	Virus int

	Mailboxes  Mailboxes
	Scripts    Scripts
	Duplicates Duplicates
	Lists      Lists

	// Trace makes Run tell each step in Result.Trace.
	Trace bool
}

// Message is the message that a script looks at.
type Message struct {
	// Header is the message's. It is not changed.
	Header *message.Header
	// Body opens the body, the bytes after the empty line; it is called
	// when the first test needs it, maybe several times, and the reader is
	// closed when it is an io.Closer. nil: the message has no body.
	Body func() (io.Reader, error)
	// Size is the message's in octets.
	Size int64
}

// Envelope is how the message came.
type Envelope struct {
	From smtp.ReversePath
	To   smtp.Address // the final recipient
	// OriginalTo is the recipient as the client said it; the zero value: To.
	OriginalTo smtp.Address
	Auth       string // user name of an authenticated sender, "" : none
}

// Mailboxes answers what scripts ask about the user's mailboxes. Names are
// UTF-8 with the separator "/".
type Mailboxes interface {
	// Exists tells whether mail can be delivered into the mailbox.
	Exists(ctx context.Context, mailbox string) (bool, error)
	// SpecialUse returns the mailboxes with the use, as "\Junk", which is
	// compared without case (RFC 8579).
	SpecialUse(ctx context.Context, use string) ([]string, error)
	// Metadata returns the value of an annotation (RFC 5490), of the server
	// where mailbox is "".
	Metadata(ctx context.Context, mailbox, annotation string) (value string, ok bool, err error)
}

// Location says whose a script is that is included (RFC 6609 section 3.2).
type Location string

// The locations.
const (
	Personal Location = "personal"
	Global   Location = "global"
)

// Scripts finds scripts that are included. They may come from a cache: a
// *Script may be run by many goroutines.
type Scripts interface {
	// Script returns the compiled script, an error that wraps ErrNoScript
	// where there is none, or what Compile said.
	Script(ctx context.Context, where Location, name string) (*Script, error)
}

// Duplicates knows what was remembered of earlier messages to the user (RFC
// 7352).
type Duplicates interface {
	// Seen tells whether the key is remembered.
	Seen(ctx context.Context, key string) (bool, error)
}

// Lists answers tests against lists outside of the script (RFC 6134).
type Lists interface {
	// Known tells whether there is a list of the name.
	Known(ctx context.Context, list string) (bool, error)
	// Contains tells whether the value is on the list.
	Contains(ctx context.Context, list, value string) (bool, error)
}
