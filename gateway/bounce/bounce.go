package bounce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/returnpath"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// Suppressor keeps addresses that are not to be written to.
type Suppressor interface {
	Note(ctx context.Context, v suppress.Event) (added bool, err error)
	// Sent notes to whom a domain of ours sent mail that the next hop took;
	// WasSent tells whether it did so lately.
	Sent(ctx context.Context, domain, address string)
	WasSent(ctx context.Context, domain, address string) bool
}

// Deps are what a Bounces needs.
type Deps struct {
	Signer   *returnpath.Signer
	Suppress Suppressor
	Ours     func(domain string) bool // whether a domain is one of ours
	Log      *slog.Logger             // nil: none
	Metrics  *Metrics                 // may be nil
}

// Bounces knows what comes back. Its methods may be called by many at once.
type Bounces struct {
	opt      Options
	deps     Deps
	feedback []smtp.Address
}

// New returns a Bounces; the options must have passed Check.
func New(opt Options, deps Deps) (*Bounces, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	b := &Bounces{opt: opt, deps: deps}
	for _, s := range opt.Feedback {
		a, err := smtp.ParseMailbox(s, smtp.UTF8|smtp.Underscore)
		if err != nil {
			return nil, fmt.Errorf("bounce: feedback %q: %w", s, err)
		}
		b.feedback = append(b.feedback, a)
	}
	return b, nil
}

// Returned is what a recipient is that mail comes back to.
type Returned struct {
	To       smtp.Address // who gets the mail instead; zero: who was named
	Outbound bool         // To may be elsewhere: a sender whose mail was forwarded
	Reply    smtp.Reply   // the refusal; zero: none
	Discard  bool         // nobody gets the mail
	// Read is to be given the message once it is accepted; nil: nothing
	// is to be read.
	Read func(ctx context.Context, header *message.Header, body io.Reader)
}

var (
	badSignature = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "This return address is none of ours, or too old")
	notSigned    = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "No mail of this address was sent: it leaves with a signed return address, and bounces come back to that alone")
	bouncesOnly  = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "This address takes bounces alone")
)

// Return tells what a recipient is. The zero Returned says that it is an
// address like any other. ours: the client is one of ours.
func (b *Bounces) Return(from smtp.ReversePath, to smtp.Address, ours bool) Returned {
	if !b.deps.Ours(to.Domain) {
		return Returned{}
	}
	if b.isFeedback(to) {
		return Returned{Read: b.readFeedback}
	}
	if r, ok := b.verp(to); ok {
		return r
	}
	original, err := b.deps.Signer.Verify(to)
	if errors.Is(err, returnpath.ErrNotSigned) {
		if original, err = b.deps.Signer.Reverse(to); err == nil {
			if !from.IsNull() { // else who has seen the address could relay by it
				return Returned{Reply: bouncesOnly}
			}
			return Returned{To: original, Outbound: true}
		}
	}
	switch {
	case err == nil:
		r := Returned{To: original}
		if from.IsNull() {
			r.Read = func(ctx context.Context, h *message.Header, body io.Reader) {
				b.readBounce(ctx, original, smtp.Address{}, h, body)
			}
		}
		return r
	case !errors.Is(err, returnpath.ErrNotSigned):
		b.deps.Metrics.count("refused", "forged")
		return Returned{Reply: badSignature}
	case b.opt.RefuseUnsigned && b.opt.Sign && from.IsNull() && !ours && b.signs(to.Domain) && !isRole(to.Local) && b.signable(to):
		b.deps.Metrics.count("refused", "unsigned")
		return Returned{Reply: notSigned}
	}
	return Returned{}
}

// verp knows addresses with a recipient in them. What only looks like one may
// be an address with a detail; it is nobody's forgery.
func (b *Bounces) verp(to smtp.Address) (Returned, bool) {
	sender, rcpt, err := b.deps.Signer.VerifyVERP(to)
	if err != nil {
		return Returned{}, false
	}
	return Returned{To: sender, Discard: b.opt.DiscardVERP, Read: func(ctx context.Context, h *message.Header, body io.Reader) {
		b.readBounce(ctx, sender, rcpt, h, body)
	}}, true
}

// signable tells whether mail of an address leaves with a signature: there is
// none for long or unusual local parts.
func (b *Bounces) signable(a smtp.Address) bool {
	_, ok := b.deps.Signer.Sign(a)
	return ok
}

// isRole tells whether an address must take bounces whatever it sends (RFC
// 5321 section 4.5.1, RFC 2142).
func isRole(local string) bool {
	return slices.Contains([]string{"postmaster", "abuse", "mailer-daemon"}, strings.ToLower(local))
}

// Sender returns whom an envelope sender of mail that we sent stands for: where
// it was rewritten or signed here, who it was before.
func (b *Bounces) Sender(a smtp.Address) smtp.Address {
	if !b.deps.Ours(a.Domain) {
		return a
	}
	if original, err := b.deps.Signer.Reverse(a); err == nil {
		return original
	}
	if original, err := b.deps.Signer.Verify(a); err == nil {
		return original
	}
	return a
}

// Rewrite returns the envelope sender of mail that an address of domain
// forwards.
func (b *Bounces) Rewrite(from smtp.ReversePath, domain string) smtp.ReversePath {
	if !b.opt.SRS || from.IsNull() || b.deps.Ours(from.Domain) {
		return from
	}
	rewritten, _ := b.deps.Signer.Forward(from, domain)
	return rewritten
}
