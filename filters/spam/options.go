package spam

import (
	"fmt"

	"github.com/gapura-mail/gapura/filters/spam/model"
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
}

const maxReasons = 100

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{Threshold: model.SpamScore, Unsure: 0, Reasons: 8}
}

// Validate checks the options.
func (o Options) Validate() error {
	if o.Unsure > o.Threshold {
		return fmt.Errorf("spam: unsure: %g is above the threshold, %g", o.Unsure, o.Threshold)
	}
	if o.Reasons < 0 || o.Reasons > maxReasons {
		return fmt.Errorf("spam: reasons: %d is not within 0 and %d", o.Reasons, maxReasons)
	}
	return nil
}
