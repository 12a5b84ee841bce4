package lda

import (
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Options of the delivery into mailboxes.
type Options struct {
	// Who gets mail to postmaster of a domain whose mail is kept here, unless
	// the domain says otherwise or a user or alias has that address. Default: the
	// first user of the domain, else the first of all.
	Postmaster string `yaml:"postmaster"`
	// What becomes of mail to user+detail: existing, it goes into the folder
	// called so where the user has one, else to INBOX; create, the folder is
	// made; ignore, it goes to INBOX. accounts.separator says what begins the
	// detail.
	Detail string `yaml:"detail"`
	// Header field that marks junk, with its value: marked mail goes to the
	// folder Junk unless the user's script files it elsewhere. The built-in
	// policy adds the default. "" : nothing does.
	Junk string `yaml:"junk"`
	// What is said where a mailbox is full: defer (452), so that the sender
	// tries again for some days; refuse (552), so that it hears at once.
	Full string `yaml:"full"`
	// Whether a copy for one recipient alone says in Delivered-To, and in
	// X-Original-To where an alias led to it, whom it was for.
	DeliveredTo bool `yaml:"delivered_to"`
	// Whether users' Sieve scripts run.
	Sieve bool `yaml:"sieve"`
}

// Values of Detail.
const (
	DetailExisting = "existing"
	DetailCreate   = "create"
	DetailIgnore   = "ignore"
)

// Values of Full.
const (
	FullDefer  = "defer"
	FullRefuse = "refuse"
)

// Details and Fulls are all values of Detail and Full.
var (
	Details = []string{DetailExisting, DetailCreate, DetailIgnore}
	Fulls   = []string{FullDefer, FullRefuse}
)

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{Detail: DetailExisting, Junk: "X-Spam-Flag: YES", Full: FullDefer, DeliveredTo: true, Sieve: true}
}

// CheckPostmaster tells what is wrong with an address that mail to postmaster
// goes to; "" is none.
func CheckPostmaster(s string) error {
	if s == "" {
		return nil
	}
	if _, err := smtp.ParseMailbox(s, smtp.UTF8); err != nil {
		return fmt.Errorf("%q is no address: %w", s, err)
	}
	return nil
}

// Check tells what is wrong with the options, but for words and addresses.
func (o Options) Check() error {
	if o.Junk == "" {
		return nil
	}
	name, value, ok := strings.Cut(o.Junk, ":")
	if !ok || name == "" || strings.TrimSpace(value) == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("junk: %q is no header field with a value", o.Junk)
	}
	return nil
}

// junk returns name and value of the field that marks junk.
func (o Options) junk() (name, value string) {
	name, value, _ = strings.Cut(o.Junk, ":")
	return name, strings.TrimSpace(value)
}
