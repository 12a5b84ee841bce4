package suppress

import (
	"errors"
	"time"
)

// Options say when an address comes on the list, and for how long.
type Options struct {
	// Whether mail of our own users to addresses on the list is refused. What
	// comes back is noted in any case.
	Refuse bool `yaml:"refuse"`
	// How many bounces for good, about different messages, put an address on
	// the list; 0: none do.
	Bounces int `yaml:"bounces"`
	// Within which time they must come.
	Window time.Duration `yaml:"window"`
	// How long an address stays on the list that bounced; 0: for ever.
	BounceTime time.Duration `yaml:"bounce_time"`
	// Whether a complaint puts the reader who complained on the list, for the
	// domain that wrote.
	Complaints bool `yaml:"complaints"`
	// How long; 0: for ever.
	ComplaintTime time.Duration `yaml:"complaint_time"`
}

// maxBounces bounds Options.Bounces, and so what is kept of an address.
const maxBounces = 20

// DefaultOptions are the defaults.
func DefaultOptions() Options {
	return Options{
		Refuse: true, Bounces: 2, Window: 30 * 24 * time.Hour, BounceTime: 180 * 24 * time.Hour,
		Complaints: true, ComplaintTime: 0,
	}
}

// Check tells what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Bounces < 0 || o.Bounces > maxBounces:
		return errors.New("bounces: 0 to 20")
	case o.Bounces > 0 && o.Window < time.Hour:
		return errors.New("window: at least an hour")
	case o.BounceTime < 0 || o.ComplaintTime < 0:
		return errors.New("a time is below 0")
	}
	return nil
}
