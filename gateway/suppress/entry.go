package suppress

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Reason is why an address is on the list.
type Reason string

// The reasons.
const (
	Bounced   Reason = "bounce"
	Complaint Reason = "complaint"
	Manual    Reason = "manual"   // an administrator's
	Imported  Reason = "imported" // from a file
)

// Bounds of an entry.
const (
	maxDetail  = 512 // octets of what was said
	maxSource  = 100
	maxAddress = smtp.MaxPath
)

// Entry is one address, or one whole domain, on the list.
type Entry struct {
	// Address is "local@domain", or "@domain" for the whole domain.
	Address string
	// Domain is the sending domain that the entry counts for; "" : all.
	Domain string
	Reason Reason
	Source string // who found out: "dsn", "smtp", "arf", "admin", a file's name
	Detail string // what was said: "550 5.1.1 user unknown"
	Since  time.Time
	Until  time.Time // zero: for ever
}

// Errors of addresses and domains that are none.
var (
	ErrAddress = errors.New("suppress: not an address, nor @domain")
	ErrDomain  = errors.New("suppress: not a domain")
)

// Normal returns an address or @domain in the form of the list: in lower case,
// the domain in ASCII.
func Normal(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || len(address) > maxAddress || !utf8.ValidString(address) {
		return "", fmt.Errorf("%w: %.100q", ErrAddress, address)
	}
	domain, err := normalDomain(address[at+1:])
	if err != nil {
		return "", err
	}
	if at == 0 {
		return "@" + domain, nil
	}
	a, err := smtp.ParseMailbox(address, smtp.UTF8|smtp.Underscore)
	if err != nil {
		return "", fmt.Errorf("%w: %.100q", ErrAddress, address)
	}
	a.Local, a.Domain = strings.ToLower(a.Local), domain
	return a.String(), nil
}

func normalDomain(d string) (string, error) {
	ascii, err := smtp.ASCIIDomain(strings.TrimSuffix(d, "."))
	if err != nil || !strings.HasPrefix(ascii, "[") && smtp.CheckDomain(ascii, smtp.Underscore) != nil {
		return "", fmt.Errorf("%w: %.100q", ErrDomain, d)
	}
	return ascii, nil
}

// normal brings the entry into the form of the list.
func (e *Entry) normal() (err error) {
	if e.Address, err = Normal(e.Address); err != nil {
		return err
	}
	if e.Domain != "" {
		if e.Domain, err = normalDomain(e.Domain); err != nil {
			return err
		}
	}
	if e.Reason == "" {
		e.Reason = Manual
	}
	e.Detail, e.Source = clip(e.Detail, maxDetail), clip(e.Source, maxSource)
	if e.Since.IsZero() {
		e.Since = time.Now()
	}
	e.Since = e.Since.Truncate(time.Second)
	return nil
}

// clip keeps text on a line, at most n octets of it.
func clip(s string, n int) string {
	s = message.CleanValue(s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Reply is what a client hears who writes to the address nevertheless.
func (e Entry) Reply() smtp.Reply {
	why := ""
	day := e.Since.UTC().Format(time.DateOnly)
	switch e.Reason {
	case Bounced:
		why = "earlier mail bounced on " + day
	case Complaint:
		why = "its reader complained on " + day
	default:
		why = "it is on the list of addresses not to be written to since " + day
	}
	if e.Detail != "" && e.Reason != Complaint {
		why += " (" + e.Detail + ")"
	}
	remove := "gapura suppress remove " + e.Address
	if e.Domain != "" {
		remove += " --domain " + e.Domain
	}
	code := smtp.EnhancedCode{5, 1, 1}
	if e.Reason != Bounced {
		code = smtp.EnhancedCode{5, 7, 1}
	}
	return smtp.NewReply(550, code, e.Address+": "+why+"; ask your administrator to remove it: "+remove)
}
