package quota

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Options bound what our own users and machines send.
type Options struct {
	// Limits of each user.
	User Limits `yaml:"user"`
	// Limits of all users of a domain together.
	Domain Limits `yaml:"domain"`
	// Limits of each client of networks.relay, by its address (/64 of IPv6).
	Client Limits `yaml:"client"`
	// Limits of single users, domains and clients, by name. What is not
	// written is as for the others; below 0: no limit.
	Only map[string]Limits `yaml:"only"`
	// A reply tells what is left when that is at most this part of the limit,
	// in percent; 0: never.
	Tell int `yaml:"tell"`
	// What is done about users and clients who go on against a limit.
	Hold Hold `yaml:"hold"`
}

// Limits of one sender; 0: none.
type Limits struct {
	// Messages an hour.
	MessagesHour int `yaml:"messages_hour"`
	// Messages a day.
	MessagesDay int `yaml:"messages_day"`
	// Recipients an hour.
	RecipientsHour int `yaml:"recipients_hour"`
	// Recipients a day.
	RecipientsDay int `yaml:"recipients_day"`
	// Recipients a day to whom the user never wrote before. Of users only.
	NewDay int `yaml:"new_day"`
}

// Hold says when and how a sender is held.
type Hold struct {
	// After how many messages of which something was refused within an hour; 0:
	// never. A message counts once, however many of its recipients are refused.
	Refusals int `yaml:"refusals"`
	// What becomes of the mail of who is held: hold, it is taken and waits in
	// the queue; refuse, it is refused.
	Mail string `yaml:"mail"`
	// Who is written to when a user is held, or reaches a limit: an address.
	// Default: nobody; it is logged and counted.
	Alert string `yaml:"alert"`
}

// The values of Hold.Mail.
const (
	MailHold   = "hold"
	MailRefuse = "refuse"
)

// maxLimit bounds every limit.
const maxLimit = 1_000_000_000

// DefaultOptions are the defaults.
func DefaultOptions() Options {
	return Options{
		User: Limits{MessagesHour: 1000, MessagesDay: 5000, RecipientsHour: 3000, RecipientsDay: 10_000, NewDay: 2000},
		Tell: 10, Hold: Hold{Refusals: 200, Mail: MailHold},
	}
}

// Check tells what is wrong with the options.
func (o *Options) Check() error {
	for name, l := range map[string]Limits{"user": o.User, "domain": o.Domain, "client": o.Client} {
		if err := l.check(0); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, l := range o.Only {
		switch n, err := Normal(name); {
		case err != nil:
			return fmt.Errorf("only: %w", err)
		case n != name:
			return fmt.Errorf("only: %q is counted as %q; write it so", name, n)
		}
		if err := l.check(-maxLimit); err != nil {
			return fmt.Errorf("only: %s: %w", name, err)
		}
	}
	switch {
	case o.Tell < 0 || o.Tell > 100:
		return errors.New("tell: 0 to 100")
	case o.Hold.Refusals < 0 || o.Hold.Refusals > maxLimit:
		return errors.New("hold: refusals: 0 or more")
	case o.Hold.Mail != MailHold && o.Hold.Mail != MailRefuse:
		return errors.New("hold: mail: hold or refuse")
	}
	if o.Hold.Alert != "" {
		if _, err := smtp.ParseMailbox(o.Hold.Alert, smtp.UTF8|smtp.Underscore); err != nil {
			return fmt.Errorf("hold: alert: %w", err)
		}
	}
	return nil
}

func (l Limits) check(least int) error {
	for _, n := range []int{l.MessagesHour, l.MessagesDay, l.RecipientsHour, l.RecipientsDay, l.NewDay} {
		if n < least || n > maxLimit {
			return fmt.Errorf("a limit is below %d or above %d", least, maxLimit)
		}
	}
	return nil
}

// limits returns the limits of a sender.
func (o *Options) limits(subject string) Limits {
	base := o.User
	switch kindOf(subject) {
	case kindDomain:
		base = o.Domain
		base.NewDay = 0
	case kindClient:
		base = o.Client
		base.NewDay = 0
	}
	if own, ok := o.Only[subject]; ok {
		base = Limits{
			own.or(own.MessagesHour, base.MessagesHour), own.or(own.MessagesDay, base.MessagesDay),
			own.or(own.RecipientsHour, base.RecipientsHour), own.or(own.RecipientsDay, base.RecipientsDay), own.or(own.NewDay, base.NewDay),
		}
	}
	return base
}

// or returns what counts of an own limit and the general one.
func (Limits) or(own, general int) int {
	switch {
	case own < 0:
		return 0
	case own > 0:
		return own
	}
	return general
}

// kind is what a subject names.
type kind uint8

const (
	kindUser kind = iota
	kindDomain
	kindClient
)

// kindOf tells users, domains and clients apart by their names.
func kindOf(subject string) kind {
	if strings.Contains(subject, "@") {
		return kindUser
	}
	if _, err := netip.ParseAddr(subject); err == nil || strings.Contains(subject, "/") {
		return kindClient
	}
	return kindDomain
}

// IsUser tells whether a name is a user's, and not a domain's or a client's.
func IsUser(subject string) bool { return kindOf(subject) == kindUser }

// ErrSubject tells that a name is none of a user, a domain or a client.
var ErrSubject = errors.New("quota: neither a user, nor a domain, nor an address of a client")

// Normal returns the name by which a user, a domain or a client is counted:
// in lower case with the domain in ASCII, and of an IPv6 address its /64.
func Normal(name string) (string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if len(name) > smtp.MaxPath {
		return "", ErrSubject
	}
	if p, err := netip.ParsePrefix(name); err == nil {
		return clientOf(p.Addr()), nil
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return clientOf(a), nil
	}
	if strings.Contains(name, "@") {
		a, err := smtp.ParseMailbox(name, smtp.UTF8|smtp.Underscore)
		if err != nil {
			return "", fmt.Errorf("%w: %.100q", ErrSubject, name)
		}
		if a.Domain, err = smtp.ASCIIDomain(a.Domain); err != nil {
			return "", fmt.Errorf("%w: %.100q", ErrSubject, name)
		}
		return a.String(), nil
	}
	d, err := smtp.ASCIIDomain(name)
	if err != nil || smtp.CheckDomain(d, smtp.Underscore) != nil {
		return "", fmt.Errorf("%w: %.100q", ErrSubject, name)
	}
	return d, nil
}

// clientOf returns the name of a client.
func clientOf(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.String()
}

// Spans of counting: a window is made of slots, and slides by one of them.
const (
	hourSlot = 5 * time.Minute
	daySlot  = time.Hour
	hour     = time.Hour
	day      = 24 * time.Hour
)
