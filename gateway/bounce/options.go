package bounce

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Options say how mail leaves that may come back, and what is done when it
// does.
type Options struct {
	// Whether mail of our domains leaves with a signed return address (like
	// BATV: prvs=...=ana@example.org), so that bounces of mail that we never
	// sent can be told from others.
	Sign bool `yaml:"sign"`
	// Domains whose mail does. Default: all that are configured.
	Domains []string `yaml:"domains"`
	// How many days such an address is good.
	Days int `yaml:"days"`
	// Whether bounces to addresses of those domains that are not signed are
	// refused. Mail that left by other ways, or before sign was set, cannot
	// come back then.
	RefuseUnsigned bool `yaml:"refuse_unsigned"`
	// Lanes whose mail leaves with the recipient in the return address (VERP),
	// each recipient by itself, so that what a bounce is about is certain.
	VERP []string `yaml:"verp"`
	// Whether what comes back to such an address is only read, and not passed
	// on to the sender.
	DiscardVERP bool `yaml:"discard_verp"`
	// Whether the sender of mail that an alias forwards to somebody elsewhere
	// is rewritten to an address of the alias's domain (SRS), so that SPF
	// passes there.
	SRS bool `yaml:"srs"`
	// Addresses of ours that complaints (ARF) of other providers come to. They
	// are read and passed on.
	Feedback []string `yaml:"feedback"`
	// Whether complaints count only where the mail had a signed return
	// address; others are logged and passed on. Without it, who knows an address
	// in feedback can put others on the suppression list.
	FeedbackSigned bool `yaml:"feedback_signed"`
}

// maxListed bounds the lists.
const maxListed = 1000

// DefaultOptions are the defaults.
func DefaultOptions() Options { return Options{Days: 10, SRS: true, FeedbackSigned: true} }

// Check tells what is wrong with the options.
func (o *Options) Check() error {
	if len(o.Domains) > maxListed || len(o.VERP) > maxListed || len(o.Feedback) > maxListed {
		return fmt.Errorf("more than %d names in a list", maxListed)
	}
	for _, d := range o.Domains {
		if smtp.CheckDomain(d, smtp.UTF8|smtp.Underscore) != nil {
			return fmt.Errorf("domains: %q is no domain", d)
		}
	}
	for _, a := range o.Feedback {
		if _, err := smtp.ParseMailbox(a, smtp.UTF8|smtp.Underscore); err != nil {
			return fmt.Errorf("feedback: %q: %w", a, err)
		}
	}
	if o.Days < 1 || o.Days > 100 {
		return errors.New("days: 1 to 100")
	}
	return nil
}

// signs tells whether mail of a domain leaves signed.
func (b *Bounces) signs(domain string) bool {
	if !b.opt.Sign && len(b.opt.VERP) == 0 || !b.deps.Ours(domain) {
		return false
	}
	if len(b.opt.Domains) == 0 {
		return true
	}
	for _, d := range b.opt.Domains {
		if smtp.EqualDomain(d, domain) {
			return true
		}
	}
	return false
}

// isFeedback tells whether complaints come to an address.
func (b *Bounces) isFeedback(a smtp.Address) bool {
	for _, f := range b.feedback {
		if strings.EqualFold(f.Local, a.Local) && smtp.EqualDomain(f.Domain, a.Domain) {
			return true
		}
	}
	return false
}
