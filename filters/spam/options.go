package spam

import (
	"fmt"

	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
)

// Options of the filter.
type Options struct {
	// Base model: a file that gapura spam train made; nothing: the one that
	// comes with Gapura. A reload reads it again when it has changed.
	Model string `yaml:"model"`
	// Score from which on spam.class is spam.
	Threshold float64 `yaml:"threshold"`
	// Score from which on spam.class is unsure.
	Unsure float64 `yaml:"unsure"`
	// How many reasons spam.reasons has at most; 0: none. Those of ham are told
	// by gapura explain alone.
	Reasons int64 `yaml:"reasons"`
	// Files of your own rules, behind the shipped ones; a rule of the name of a
	// shipped one replaces it.
	Rules []string `yaml:"rules"`
	// DNS lists of domains, hosts, addresses and files; scores of listings are
	// in points of spam.score.
	urilist.Options `yaml:",inline"`
	// Learn is who teaches the filter, and how much.
	Learn Learn `yaml:"learn"`
}

// Learn is who teaches the filter, and how much.
type Learn struct {
	// Whether users teach it by moves into and out of Junk.
	Moves bool `yaml:"moves"`
	// Whether those whom a user writes to are his contacts, whose mail is ham.
	Sent bool `yaml:"sent"`
	// Whether senders, domains, networks and links are known by the mail that
	// came from them.
	Reputation bool `yaml:"reputation"`

	learned.Options `yaml:",inline"`
}

const maxReasons = 100

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{
		Threshold: model.SpamScore, Unsure: 0, Reasons: 8, Options: urilist.DefaultOptions(),
		Learn: Learn{Moves: true, Sent: true, Reputation: true, Options: learned.DefaultOptions()},
	}
}

// Validate checks the options.
func (o Options) Validate() error {
	if o.Unsure > o.Threshold {
		return fmt.Errorf("spam: unsure: %g is above the threshold, %g", o.Unsure, o.Threshold)
	}
	if o.Reasons < 0 || o.Reasons > maxReasons {
		return fmt.Errorf("spam: reasons: %d is not within 0 and %d", o.Reasons, maxReasons)
	}
	if err := o.Learn.Check(); err != nil && o.Learn.Options != (learned.Options{}) {
		return fmt.Errorf("spam: %w", err)
	}
	if err := o.Options.Validate(); err != nil {
		return fmt.Errorf("spam: %w", err)
	}
	return nil
}
