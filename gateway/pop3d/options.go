package pop3d

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
)

// Options say how a Server speaks.
type Options struct {
	// Listener is pop3 or pop3s, for the log and for metrics.
	Listener string `yaml:"-"`
	// Hostname is in the greeting.
	Hostname string `yaml:"-"`
	// TLS, when not nil, brings STLS.
	TLS *tls.Config `yaml:"-"`
	// ImplicitTLS begins with TLS, before the greeting.
	ImplicitTLS bool `yaml:"-"`
	// ProxyFrom names the peers that begin with a PROXY protocol header.
	ProxyFrom []netip.Prefix `yaml:"-"`
	// PlaintextFrom names the networks whose clients may log in without TLS;
	// default: none.
	PlaintextFrom []netip.Prefix `yaml:"plaintext_login"`
	// KeepUnseen leaves messages that were fetched without \Seen, so that IMAP
	// shows them as new.
	KeepUnseen bool `yaml:"keep_unseen"`
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
	// CommandLine is the length of a command line with its CRLF in octets, from
	// 255 to 8192; longer: -ERR. Lines of AUTH may be longer. Default 1024.
	CommandLine int `yaml:"command_line"`
	// BadCommands is how many commands may be malformed, unknown or out of
	// place without a good one between them; more: the connection closes.
	// Default 20.
	BadCommands int `yaml:"bad_commands"`
	// FailedLogins of one connection; more: it closes. Default 5.
	FailedLogins int `yaml:"failed_logins"`
	// LockWait is how long a login waits for another session of the same user
	// to end; longer: -ERR [IN-USE]. Default 5s; negative: not at all.
	LockWait time.Duration `yaml:"lock_wait"`
	// LoginTimeout is how long a client may take to log in; longer: the
	// connection closes. Default 1m.
	LoginTimeout time.Duration `yaml:"login_timeout"`
	// IdleTimeout is how long the server waits for the next command; longer:
	// the connection closes, and nothing is removed. Default 10m, at least that
	// (RFC 1939 section 3).
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// ArrivalTimeout is how long a command line may take from its first octet
	// to its last. Default 1m.
	ArrivalTimeout time.Duration `yaml:"arrival_timeout"`
	// CommandTimeout is how long the work for one command may take, without the
	// time that the client takes to accept the reply; longer: -ERR [SYS/TEMP].
	// Default 2m.
	CommandTimeout time.Duration `yaml:"command_timeout"`
	// Accepting bounds connections and handshakes.
	Accepting acceptor.Limits `yaml:",inline"`
}

const (
	minCommandLine = 255 // RFC 2449 section 4
	maxCommandLine = 8 << 10
	minIdle        = 10 * time.Minute
)

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{
		CommandLine: 1024, BadCommands: 20, FailedLogins: 5, LockWait: 5 * time.Second, LoginTimeout: time.Minute,
		IdleTimeout: minIdle, ArrivalTimeout: time.Minute, CommandTimeout: 2 * time.Minute, Accepting: acceptor.DefaultLimits(),
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.CommandLine = cmp.Or(l.CommandLine, d.CommandLine)
	l.BadCommands = cmp.Or(l.BadCommands, d.BadCommands)
	l.FailedLogins = cmp.Or(l.FailedLogins, d.FailedLogins)
	l.LockWait = cmp.Or(l.LockWait, d.LockWait)
	l.LoginTimeout = cmp.Or(l.LoginTimeout, d.LoginTimeout)
	l.IdleTimeout = cmp.Or(l.IdleTimeout, d.IdleTimeout)
	l.ArrivalTimeout = cmp.Or(l.ArrivalTimeout, d.ArrivalTimeout)
	l.CommandTimeout = cmp.Or(l.CommandTimeout, d.CommandTimeout)
	l.Accepting = l.Accepting.WithDefaults()
	return l
}

// Validate tells what is wrong with the options that an administrator writes.
func (o Options) Validate() error {
	l := o.Limits.withDefaults()
	var errs []error
	bad := func(name, want string) { errs = append(errs, fmt.Errorf("pop3d: %s must be %s", name, want)) }
	if l.CommandLine < minCommandLine || l.CommandLine > maxCommandLine {
		bad("command_line", "from 255 to 8192")
	}
	if l.BadCommands < 1 || l.FailedLogins < 1 {
		bad("bad_commands and failed_logins", "at least 1")
	}
	if min(l.LoginTimeout, l.ArrivalTimeout, l.CommandTimeout) <= 0 {
		bad("timeouts", "positive")
	}
	if l.IdleTimeout < minIdle {
		bad("idle_timeout", "at least 10m")
	}
	if l.LockWait > time.Minute {
		bad("lock_wait", "at most 1m")
	}
	return errors.Join(append(errs, l.Accepting.Validate())...)
}

// prepare makes options ready for use.
func (o Options) prepare() (*Options, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Hostname == "" {
		return nil, errors.New("pop3d: hostname is missing")
	}
	o.Limits = o.Limits.withDefaults()
	return &o, nil
}

// accepting are the options of the acceptor below.
func (o *Options) accepting(m *Metrics) acceptor.Options {
	return acceptor.Options{
		Listener: o.Listener, TLS: o.TLS, ImplicitTLS: o.ImplicitTLS, ProxyFrom: o.ProxyFrom, Limits: o.Limits.Accepting,
		Connections: o.Connections, Logger: o.Logger, Metrics: m.accepting(),
	}
}
