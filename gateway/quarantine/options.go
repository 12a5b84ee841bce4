package quarantine

import (
	"errors"
	"time"
)

// Options of the quarantine.
type Options struct {
	// How long mail is kept before it is dropped.
	Expire time.Duration `yaml:"expire"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Expire: 30 * 24 * time.Hour} }

// Validate tells what is wrong with o.
func (o Options) Validate() error {
	if o.Expire < time.Minute {
		return errors.New("quarantine: expire: is less than 1m")
	}
	return nil
}
