package imapd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
)

// Options say how a Server speaks.
type Options struct {
	// Listener is imap or imaps, for the log and for metrics.
	Listener string `yaml:"-"`
	// Hostname is in the greeting.
	Hostname string `yaml:"-"`
	// Version is what ID tells; empty: none.
	Version string `yaml:"-"`
	// TLS, when not nil, brings STARTTLS.
	TLS *tls.Config `yaml:"-"`
	// ImplicitTLS begins with TLS, before the greeting.
	ImplicitTLS bool `yaml:"-"`
	// Shown tells which certificate a client was shown who asked for a name, for
	// channel binding (cert.Store has it); nil: nobody knows.
	Shown func(name string, connected time.Time) []byte `yaml:"-"`
	// ProxyFrom names the peers that begin with a PROXY protocol header.
	ProxyFrom []netip.Prefix `yaml:"-"`
	// PlaintextFrom names the networks whose clients may log in without TLS;
	// default: none. To all others LOGINDISABLED is said before STARTTLS.
	PlaintextFrom []netip.Prefix `yaml:"plaintext_login"`
	// Disable lists capabilities that are not offered: COMPRESS=DEFLATE, ID,
	// IDLE, MOVE, NOTIFY, METADATA, QRESYNC, ...
	Disable []string `yaml:"disable_extensions"`
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
	// CommandSize is the length of a command in octets, its literals included
	// but for the messages of APPEND; longer: BAD. Default 65536, at most that.
	CommandSize int `yaml:"command_size"`
	// Message is the size of a message in octets (RFC 7889); larger: NO
	// [TOOBIG]. Default: limits.message, 50MiB.
	Message int64 `yaml:"message"`
	// Messages is how many messages one APPEND may bring (RFC 3502). Default
	// 1000.
	Messages int `yaml:"messages_per_append"`
	// BadCommands is how many commands may be malformed, unknown or out of
	// place without a good one between them; more: BYE. Default 20.
	BadCommands int `yaml:"bad_commands"`
	// FailedLogins of one connection; more: BYE. Default 5.
	FailedLogins int `yaml:"failed_logins"`
	// Sessions of one user at the same time; more: NO [LIMIT] to the login.
	// Default 200; negative: none.
	Sessions int `yaml:"sessions_per_user"`
	// LoginTimeout is how long a client may take to log in; longer: BYE.
	// Default 1m.
	LoginTimeout time.Duration `yaml:"login_timeout"`
	// IdleTimeout is how long the server waits for the next command, or for
	// the end of IDLE; longer: BYE. Default 30m, at least that (RFC 9051
	// section 5.4).
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// ArrivalTimeout is how long a command may take from its first octet to
	// its last, and a message of APPEND between two octets; longer: BYE.
	// Default 1m.
	ArrivalTimeout time.Duration `yaml:"arrival_timeout"`
	// CommandTimeout is how long the work for one command may take; longer: NO
	// [LIMIT]. Default 2m.
	CommandTimeout time.Duration `yaml:"command_timeout"`
	// Accepting bounds connections and handshakes.
	Accepting acceptor.Limits `yaml:",inline"`
}

// maxCommand bounds Limits.CommandSize: a command is kept in one buffer of
// acceptor's.
const maxCommand = 64 << 10

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{
		CommandSize: maxCommand, Message: 50 << 20, Messages: 1000, BadCommands: 20, FailedLogins: 5, Sessions: 200,
		LoginTimeout: time.Minute, IdleTimeout: 30 * time.Minute, ArrivalTimeout: time.Minute, CommandTimeout: 2 * time.Minute,
		Accepting: acceptor.DefaultLimits(),
	}
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	or(&l.CommandSize, d.CommandSize)
	or(&l.Message, d.Message)
	or(&l.Messages, d.Messages)
	or(&l.BadCommands, d.BadCommands)
	or(&l.FailedLogins, d.FailedLogins)
	or(&l.Sessions, d.Sessions)
	or(&l.LoginTimeout, d.LoginTimeout)
	or(&l.IdleTimeout, d.IdleTimeout)
	or(&l.ArrivalTimeout, d.ArrivalTimeout)
	or(&l.CommandTimeout, d.CommandTimeout)
	l.Accepting = l.Accepting.WithDefaults()
	return l
}

func (l Limits) check() error {
	var errs []error
	bad := func(name, want string) { errs = append(errs, fmt.Errorf("imapd: %s must be %s", name, want)) }
	if l.CommandSize < 1<<10 || l.CommandSize > maxCommand {
		bad("command_size", "from 1024 to 65536")
	}
	if l.Message < 64<<10 || l.Message > 1<<31 {
		bad("message", "from 64 KiB to 2 GiB")
	}
	if l.Messages < 1 || l.BadCommands < 1 || l.FailedLogins < 1 {
		bad("messages_per_append, bad_commands and failed_logins", "at least 1")
	}
	if min(l.LoginTimeout, l.ArrivalTimeout, l.CommandTimeout) <= 0 {
		bad("timeouts", "positive")
	}
	if l.IdleTimeout < 30*time.Minute {
		bad("idle_timeout", "at least 30m") // RFC 9051 section 5.4
	}
	return errors.Join(append(errs, l.Accepting.Validate())...)
}

// Validate tells what is wrong with the options that an administrator writes.
func (o Options) Validate() error {
	errs := []error{o.Limits.withDefaults().check()}
	for _, d := range o.Disable {
		if !strings.EqualFold(d, compressName) && !slices.ContainsFunc(capabilities, func(k capability) bool { return k.canDisable && strings.EqualFold(k.name, d) }) {
			errs = append(errs, fmt.Errorf("imapd: no capability that can be switched off is called %q", d))
		}
	}
	return errors.Join(errs...)
}

// settings are Options made ready; connections keep those they began with.
type settings struct {
	Options
	off             map[string]bool // capabilities, in upper case
	outside, inside string          // capabilities before and after the login
}

func (o Options) prepare() (*settings, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Hostname == "" {
		return nil, errors.New("imapd: hostname is missing")
	}
	o.Limits = o.Limits.withDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &settings{Options: o, off: make(map[string]bool)}
	for _, d := range o.Disable {
		s.off[strings.ToUpper(d)] = true
	}
	s.outside, s.inside = s.offered(notAuthenticated), s.offered(authenticated)
	return s, nil
}

// on tells whether a capability is offered, in upper case or as it is written.
func (s *settings) on(capability string) bool {
	return len(s.off) == 0 || !s.off[strings.ToUpper(capability)]
}

// accepting are the options of the acceptor below.
func (s *settings) accepting(m *acceptor.Metrics) acceptor.Options {
	tls := s.TLS
	if tls != nil && !tls.DynamicRecordSizingDisabled {
		// One write for a response, not one for each 1,400 octets: a client waits
		// for the whole of it.
		tls = tls.Clone()
		tls.DynamicRecordSizingDisabled = true
	}
	return acceptor.Options{
		Listener: s.Listener, TLS: tls, ImplicitTLS: s.ImplicitTLS, ProxyFrom: s.ProxyFrom, Limits: s.Limits.Accepting,
		Connections: s.Connections, Logger: s.Logger, Metrics: m,
	}
}
