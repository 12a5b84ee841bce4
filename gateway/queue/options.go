package queue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Options of the queue. Zero values become those of DefaultOptions.
type Options struct {
	// Waits between attempts at a message, one after the other; the last one
	// repeats. Each is varied by up to a tenth.
	Retry []time.Duration `yaml:"retry"`
	// How long a message is tried before it goes back to its sender.
	Expire time.Duration `yaml:"expire"`
	// After this time the sender is told that the message is late; 0: never,
	// unless the sender asks for it.
	Warn time.Duration `yaml:"warn"`
	// The longest time for which a destination that is down is left alone
	// before one message probes it.
	Probe time.Duration `yaml:"probe"`
	// Attempts at the same time.
	Concurrency int `yaml:"concurrency"`
	// Attempts at the same time at one destination: a domain, or a smart host,
	// for each pool of addresses by itself. A destination begins with a few and
	// earns more by taking mail.
	PerDestination int `yaml:"per_destination"`
	// Recipients of one destination that are tried in one transaction.
	Recipients int `yaml:"recipients"`
	// Octets of a message that goes back whole in a notification of failure;
	// of larger ones only the header does.
	ReturnSize int64 `yaml:"return_size"`
	// Who hears of notifications that cannot be delivered: an address. Default:
	// nobody, they are logged and dropped.
	Postmaster string `yaml:"postmaster"`
	// Lanes that the policy may choose, beside default, transactional and
	// bulk, which may be changed here as well.
	Lanes map[string]Lane `yaml:"lanes"`
	// Quarantine is how long mail is kept apart before it is dropped.
	Quarantine time.Duration `yaml:"-"`
	// Refused is how many octets copies of refused mail may take there; below
	// 0: none are kept.
	Refused int64 `yaml:"-"`
	// noneBefore is when mail may go back for its age again, after a start.
	noneBefore int64
}

// Lane is a kind of mail with a share of its own.
type Lane struct {
	// Share of the attempts while other lanes have mail as well; default 10.
	Weight int `yaml:"weight"`
	// Attempts at the same time; 0: no limit but the queue's.
	Limit int `yaml:"limit"`
}

// DefaultLane is the lane of mail for which none was chosen.
const DefaultLane = "default"

// Bounds of options.
const (
	maxRetries   = 100
	maxLanes     = 64
	maxWeight    = 1000
	maxAttempts  = 20_000 // at the same time
	minRetry     = time.Second
	maxRetryTime = 7 * 24 * time.Hour
)

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{
		Retry:  []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour},
		Expire: 120 * time.Hour, Warn: 4 * time.Hour, Probe: 30 * time.Minute,
		Concurrency: 500, PerDestination: 20, Recipients: 100, ReturnSize: 100 << 10, Lanes: builtinLanes(),
		Quarantine: 30 * 24 * time.Hour, Refused: 1 << 30,
	}
}

// builtinLanes are there in every configuration.
func builtinLanes() map[string]Lane {
	return map[string]Lane{DefaultLane: {Weight: 10}, "transactional": {Weight: 40}, "bulk": {Weight: 2}}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	if len(o.Retry) == 0 {
		o.Retry = d.Retry
	}
	o.Expire = cmp.Or(o.Expire, d.Expire)
	o.Warn = cmp.Or(o.Warn, d.Warn)
	o.Probe = cmp.Or(o.Probe, d.Probe)
	o.Concurrency = cmp.Or(o.Concurrency, d.Concurrency)
	o.PerDestination = cmp.Or(o.PerDestination, d.PerDestination)
	o.Recipients = cmp.Or(o.Recipients, d.Recipients)
	o.ReturnSize = cmp.Or(o.ReturnSize, d.ReturnSize)
	o.Quarantine = cmp.Or(o.Quarantine, d.Quarantine)
	o.Refused = cmp.Or(o.Refused, d.Refused)
	lanes := builtinLanes()
	for name, l := range o.Lanes {
		l.Weight = cmp.Or(l.Weight, lanes[name].Weight, 10)
		lanes[name] = l
	}
	o.Lanes = lanes
	return o
}

// LaneNames returns the lanes that a policy may choose, sorted.
func (o Options) LaneNames() []string {
	var names []string
	for name := range o.withDefaults().Lanes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Validate tells what is wrong with o.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, r := range o.Retry {
		if r < minRetry || r > maxRetryTime {
			return fmt.Errorf("queue: retry: %v is not from %v to %v", r, minRetry, maxRetryTime)
		}
	}
	switch {
	case len(o.Retry) > maxRetries:
		return fmt.Errorf("queue: retry: more than %d waits", maxRetries)
	case o.Expire < time.Minute:
		return errors.New("queue: expire: is less than 1m")
	case o.Probe < minRetry:
		return fmt.Errorf("queue: probe: is less than %v", minRetry)
	case o.Concurrency < 1 || o.Concurrency > maxAttempts:
		return fmt.Errorf("queue: concurrency: is not from 1 to %d", maxAttempts)
	case o.PerDestination < 1:
		return errors.New("queue: per_destination: is less than 1")
	case o.Recipients < 1 || o.Recipients > maxRecipients:
		return fmt.Errorf("queue: recipients: is not from 1 to %d", maxRecipients)
	case len(o.Lanes) > maxLanes:
		return fmt.Errorf("queue: lanes: more than %d", maxLanes)
	}
	if o.Postmaster != "" {
		if _, err := smtp.ParseMailbox(o.Postmaster, smtp.UTF8); err != nil {
			return fmt.Errorf("queue: postmaster: %w", err)
		}
	}
	return o.validLanes()
}

func (o Options) validLanes() error {
	for name, l := range o.Lanes {
		switch {
		case name == "" || len(name) > maxName:
			return fmt.Errorf("queue: lanes: %q is no name", name)
		case l.Weight < 1 || l.Weight > maxWeight:
			return fmt.Errorf("queue: lanes: %s: weight is not from 1 to %d", name, maxWeight)
		case l.Limit < 0:
			return fmt.Errorf("queue: lanes: %s: limit is negative", name)
		}
	}
	return nil
}
