package quarantine

import (
	"errors"
	"time"
)

// Options of the quarantine.
type Options struct {
	// How long mail is kept before it is dropped.
	Expire time.Duration `yaml:"expire"`
	// Octets that copies of mail may take that was refused, which its sender
	// could not be told; 0: none are kept. Past that the mail is refused all the
	// same, and no copy of it is kept.
	Refused int64 `yaml:"refused"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Expire: 30 * 24 * time.Hour, Refused: 1 << 30} }

// Validate tells what is wrong with o.
func (o Options) Validate() error {
	if o.Expire < time.Minute {
		return errors.New("quarantine: expire: is less than 1m")
	}
	if o.Refused < 0 {
		return errors.New("quarantine: refused: is less than 0")
	}
	return nil
}
