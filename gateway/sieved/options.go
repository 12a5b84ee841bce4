package sieved

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/sieve"
)

// Options say how a Server speaks.
type Options struct {
	// Listener is managesieve, for the log and for metrics.
	Listener string `yaml:"-"`
	// Hostname is in the greeting.
	Hostname string `yaml:"-"`
	// TLS, when not nil, brings STARTTLS.
	TLS *tls.Config `yaml:"-"`
	// ImplicitTLS begins with TLS, before the greeting.
	ImplicitTLS bool `yaml:"-"`
	// ProxyFrom names the peers that begin with a PROXY protocol header.
	ProxyFrom []netip.Prefix `yaml:"-"`
	// Sieve are the options that scripts will run with.
	Sieve sieve.Options `yaml:"-"`
	// PlaintextFrom names the networks whose clients may log in without TLS;
	// default: none.
	PlaintextFrom []netip.Prefix `yaml:"plaintext_login"`
	// Limits are the bounds; zero fields have their defaults.
	Limits Limits `yaml:",inline"`

	// Connections counts across servers; nil means that this one counts by
	// itself.
	Connections *acceptor.Connections `yaml:"-"`
	// Logger is the programmer's log; nil logs nothing.
	Logger *slog.Logger `yaml:"-"`
}

// Limits bound what a client may do. Zero means the default.
type Limits struct {
	// Script is the size of a script in octets, at most 512 KiB; larger: NO
	// (QUOTA/MAXSIZE). Default 524288.
	Script int `yaml:"script"`
	// BadCommands is how many commands may be malformed, unknown or out of
	// place without a good one between them; more: BYE. Default 20.
	BadCommands int `yaml:"bad_commands"`
	// FailedLogins of one connection; more: BYE. Default 5.
	FailedLogins int `yaml:"failed_logins"`
	// LoginTimeout is how long a client may take to log in; longer: BYE.
	// Default 1m.
	LoginTimeout time.Duration `yaml:"login_timeout"`
	// IdleTimeout is how long the server waits for the next command; longer:
	// BYE. Default 30m, at least that (RFC 5804 section 1.2).
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// ArrivalTimeout is how long a line may take from its first octet to its
	// last, and a script between two octets. Default 1m.
	ArrivalTimeout time.Duration `yaml:"arrival_timeout"`
	// CommandTimeout is how long the work for one command may take; longer: NO
	// (TRYLATER). Default 1m.
	CommandTimeout time.Duration `yaml:"command_timeout"`
	// Accepting bounds connections and handshakes.
	Accepting acceptor.Limits `yaml:",inline"`
}

const (
	maxScript = 512 << 10
	minIdle   = 30 * time.Minute
)

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{
		Script: maxScript, BadCommands: 20, FailedLogins: 5, LoginTimeout: time.Minute, IdleTimeout: minIdle,
		ArrivalTimeout: time.Minute, CommandTimeout: time.Minute, Accepting: acceptor.DefaultLimits(),
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		Script: cmp.Or(l.Script, d.Script), BadCommands: cmp.Or(l.BadCommands, d.BadCommands), FailedLogins: cmp.Or(l.FailedLogins, d.FailedLogins),
		LoginTimeout: cmp.Or(l.LoginTimeout, d.LoginTimeout), IdleTimeout: cmp.Or(l.IdleTimeout, d.IdleTimeout),
		ArrivalTimeout: cmp.Or(l.ArrivalTimeout, d.ArrivalTimeout), CommandTimeout: cmp.Or(l.CommandTimeout, d.CommandTimeout),
		Accepting: l.Accepting.WithDefaults(),
	}
}

// Validate tells what is wrong with the options that an administrator writes.
func (o Options) Validate() error {
	l := o.Limits.withDefaults()
	errs := []error{l.Accepting.Validate()}
	need := func(ok bool, name, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("sieved: %s must be %s", name, want))
		}
	}
	need(l.Script >= 1<<10 && l.Script <= maxScript, "script", "from 1 to 512 KiB")
	need(l.BadCommands > 0 && l.FailedLogins > 0, "bad_commands and failed_logins", "at least 1")
	need(min(l.LoginTimeout, l.ArrivalTimeout, l.CommandTimeout) > 0, "timeouts", "positive")
	need(l.IdleTimeout >= minIdle, "idle_timeout", "at least 30m")
	return errors.Join(errs...)
}

// prepare makes options ready for use.
func (o Options) prepare() (*Options, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Hostname == "" {
		return nil, errors.New("sieved: hostname is missing")
	}
	o.Limits = o.Limits.withDefaults()
	return &o, nil
}

// accepting are the options of the acceptor below.
func (o *Options) accepting(m *acceptor.Metrics) acceptor.Options {
	return acceptor.Options{
		Listener: o.Listener, TLS: o.TLS, ImplicitTLS: o.ImplicitTLS, ProxyFrom: o.ProxyFrom, Limits: o.Limits.Accepting,
		Connections: o.Connections, Logger: o.Logger, Metrics: m,
	}
}
