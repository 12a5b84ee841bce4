package smtpd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Options say how a Server speaks.
type Options struct {
	// Protocol is smtp, lmtp, submission or submissions; lmtp is spoken
	// differently, the others only named.
	Protocol string `yaml:"-"`
	// Hostname is in the greeting and in the reply to EHLO.
	Hostname string `yaml:"-"`
	// TLS, when not nil, brings STARTTLS. Certificates come from its
	// GetCertificate, so that they may change and follow SNI.
	TLS *tls.Config `yaml:"-"`
	// ImplicitTLS begins with TLS, before the greeting.
	ImplicitTLS bool `yaml:"-"`
	// ProxyFrom names the peers that begin with a PROXY protocol header,
	// version 1 or 2. They must; from others the header is an error.
	ProxyFrom []netip.Prefix `yaml:"-"`
	// XClientFrom names the peers that may use XCLIENT.
	XClientFrom []netip.Prefix `yaml:"xclient"`
	// DSN offers delivery status notifications (RFC 3461): every route must
	// honour them.
	DSN bool `yaml:"-"`
	// RequireTLS offers REQUIRETLS (RFC 8689), inside TLS only: every route
	// must honour it.
	RequireTLS bool `yaml:"-"`
	// Auth offers AUTH (RFC 4954), inside TLS only, where sessions are
	// Authenticators.
	Auth bool `yaml:"-"`
	// RequireAuth takes MAIL only from clients who have authenticated, as
	// message submission does (RFC 6409 section 4.3).
	RequireAuth bool `yaml:"-"`
	// Priority offers MT-PRIORITY (RFC 6710), DeliverBy DELIVERBY (RFC 2852):
	// every route must honour them.
	Priority  bool `yaml:"-"`
	DeliverBy bool `yaml:"-"`
	// FutureRelease is how long mail may be held at most (RFC 4865); 0:
	// FUTURERELEASE is not offered.
	FutureRelease time.Duration `yaml:"-"`
	// Disable lists extensions that are not offered: PIPELINING, SIZE,
	// 8BITMIME, SMTPUTF8, STARTTLS, ENHANCEDSTATUSCODES, CHUNKING, LIMITS or
	// PRDR.
	Disable []string `yaml:"disable_extensions"`
	// Whether what most servers let pass is refused: a HELO name that is no
	// domain, an address without angle brackets or with spaces before it,
	// underscores in domains.
	StrictSyntax bool `yaml:"strict_syntax"`
	// What is done about CR or LF that stand alone: refuse, or repair into
	// CRLF. They never end a message.
	BareLineEnds smtp.Treatment `yaml:"bare_line_ends"`
	// What is done about NUL in a message: refuse, repair into a space, or
	// allow.
	NUL smtp.Treatment `yaml:"nul"`
	// Limits are the bounds; zero fields have their defaults.
	Limits Limits `yaml:",inline"`

	// Connections counts across servers; nil means that this one counts by
	// itself, with Limits.Connections and ConnectionsPerIP.
	Connections *Connections `yaml:"-"`
	// Logger is the programmer's log; nil logs nothing.
	Logger *slog.Logger `yaml:"-"`
	// Metrics may be nil.
	Metrics *Metrics `yaml:"-"`
}

// Limits bound what a client may do. Zero means the default; negative, where
// said, means none.
type Limits struct {
	// CommandLine is the length of a command line with its CRLF in octets, at
	// most 8192; longer: 500 5.5.2. Default 4096 (RFC 5321 section 4.5.3.1.4
	// and what the extensions add).
	CommandLine int `yaml:"command_line"`
	// TextLine is the length of a line of a message with its CRLF in octets;
	// longer: 550 5.6.0. The configuration's default is 64 KiB, since much mail
	// made by programs has longer lines than the 1000 that RFC 5321 section
	// 4.5.3.1.6 asks for; negative: none.
	TextLine int `yaml:"text_line"`
	// Message is the size of a message in octets, as SIZE says it; larger: 552
	// 5.3.4. Default 50MiB.
	Message int64 `yaml:"message"`
	// Drain is how many octets of a message that is refused already are read
	// in order to answer in step; more: 421 and the connection closes.
	// Default 100MiB.
	Drain int64 `yaml:"drain"`
	// Recipients of one transaction; more: 452 4.5.3. Default 100 (RFC 5321
	// section 4.5.3.1.8).
	Recipients int `yaml:"recipients"`
	// IdleCommands is how many commands that bring a message no nearer (NOOP,
	// RSET, VRFY, HELP, EHLO, BDAT of less than 512 octets, ...) may come between two messages; more: 421
	// 4.7.0. Default 100.
	IdleCommands int `yaml:"idle_commands"`
	// Errors is how many commands other than RCPT may fail between two
	// messages; more: 421 4.7.0. Default 20.
	Errors int `yaml:"errors"`
	// FailedRecipients is how many RCPT may fail between two messages; more:
	// 421 4.7.0. Default 50.
	FailedRecipients int `yaml:"failed_recipients"`
	// Transactions of one connection; more: 421 4.7.0. Default 1000; negative:
	// none.
	Transactions int `yaml:"transactions"`
	// IdleTimeout is how long the server waits for the next command; longer:
	// 421 4.4.2. Default 5m (RFC 5321 section 4.5.3.2.7).
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// CommandTimeout is how long a command line may take from its first octet
	// to its last; longer: 421 4.4.2. Default 1m.
	CommandTimeout time.Duration `yaml:"command_timeout"`
	// WriteTimeout is how long the client may take to accept replies. Default
	// 1m.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// TLSTimeout bounds the TLS handshake, and the PROXY header. Default 30s.
	TLSTimeout time.Duration `yaml:"tls_timeout"`
	// MinRate is how many octets a second a message must come with, on
	// average over each RateWindow; slower: 421 4.4.2. Default 500; negative:
	// one octet in a RateWindow is enough.
	MinRate int `yaml:"min_rate"`
	// RateWindow is how long MinRate is averaged. Default 3m (RFC 5321 section
	// 4.5.3.2.5).
	RateWindow time.Duration `yaml:"rate_window"`
	// Connections at the same time; more: 421 4.7.0. Default 2000; negative:
	// none.
	Connections int `yaml:"connections"`
	// ConnectionsPerIP at the same time from one IPv4 address or one IPv6
	// /64; more: 421 4.7.0. Default 20; negative: none.
	ConnectionsPerIP int `yaml:"connections_per_ip"`
	// EarlyTalker is how long the greeting waits to see whether the client
	// talks first, at most 1m; one that does gets 554 5.5.1. Default 0s: no
	// wait.
	EarlyTalker time.Duration `yaml:"early_talker"`
	// Tarpit is how long each error reply is held back, at most 1m. Default 0s.
	Tarpit time.Duration `yaml:"tarpit"`
}

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{
		CommandLine: 4096, TextLine: smtp.MaxTextLine, Message: 50 << 20, Drain: 100 << 20,
		Recipients: 100, IdleCommands: 100, Errors: 20, FailedRecipients: 50, Transactions: 1000,
		IdleTimeout: 5 * time.Minute, CommandTimeout: time.Minute, WriteTimeout: time.Minute, TLSTimeout: 30 * time.Second,
		MinRate: 500, RateWindow: 3 * time.Minute, Connections: 2000, ConnectionsPerIP: 20,
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
	or(&l.CommandLine, d.CommandLine)
	or(&l.TextLine, d.TextLine)
	or(&l.Message, d.Message)
	or(&l.Drain, d.Drain)
	or(&l.Recipients, d.Recipients)
	or(&l.IdleCommands, d.IdleCommands)
	or(&l.Errors, d.Errors)
	or(&l.FailedRecipients, d.FailedRecipients)
	or(&l.Transactions, d.Transactions)
	or(&l.IdleTimeout, d.IdleTimeout)
	or(&l.CommandTimeout, d.CommandTimeout)
	or(&l.WriteTimeout, d.WriteTimeout)
	or(&l.TLSTimeout, d.TLSTimeout)
	or(&l.MinRate, d.MinRate)
	or(&l.RateWindow, d.RateWindow)
	or(&l.Connections, d.Connections)
	or(&l.ConnectionsPerIP, d.ConnectionsPerIP)
	return l
}

// maxCommandLine bounds CommandLine.
const maxCommandLine = 8 << 10

// maxHeldBack bounds waits of our own: clients wait 5 minutes for a greeting or
// a reply (RFC 5321 section 4.5.3.2), some of them less.
const maxHeldBack = time.Minute

func (l Limits) check() error {
	var errs []error
	bad := func(name, want string) { errs = append(errs, fmt.Errorf("smtpd: %s must be %s", name, want)) }
	if l.CommandLine < 512 || l.CommandLine > maxCommandLine {
		bad("command_line", "from 512 to 8192")
	}
	if l.TextLine > 0 && l.TextLine < smtp.MaxTextLine {
		bad("text_line", "at least 1000")
	}
	if l.Message < 64<<10 {
		bad("message", "at least 64 KiB") // RFC 5321 section 4.5.3.1.7
	}
	for _, n := range []struct {
		name string
		n    int
	}{{"recipients", l.Recipients}, {"idle_commands", l.IdleCommands}, {"errors", l.Errors}, {"failed_recipients", l.FailedRecipients}} {
		if n.n < 1 {
			bad(n.name, "at least 1")
		}
	}
	if l.Drain < 0 {
		bad("drain", "at least 0")
	}
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"idle_timeout", l.IdleTimeout}, {"command_timeout", l.CommandTimeout}, {"write_timeout", l.WriteTimeout}, {"tls_timeout", l.TLSTimeout}, {"rate_window", l.RateWindow}} {
		if t.d <= 0 {
			bad(t.name, "positive")
		}
	}
	if l.EarlyTalker < 0 || l.EarlyTalker > maxHeldBack {
		bad("early_talker", "from 0 to 1m")
	}
	if l.Tarpit < 0 || l.Tarpit > maxHeldBack {
		bad("tarpit", "from 0 to 1m")
	}
	return errors.Join(errs...)
}

// settings are Options made ready; connections keep those they began with.
type settings struct {
	Options
	handler          Handler
	lmtp             bool
	off              map[string]bool
	plain, encrypted string // EHLO keyword lines before and inside TLS
	xclient          string // the one more for peers that may
}

// Extensions that can be switched off.
var extensionNames = []string{"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "STARTTLS", "ENHANCEDSTATUSCODES", "CHUNKING", "LIMITS", "PRDR"}

// Validate tells what is wrong with the options that an administrator writes.
func (o Options) Validate() error {
	errs := []error{o.Limits.withDefaults().check()}
	if o.BareLineEnds == smtp.Allow {
		errs = append(errs, errors.New("smtpd: bare line ends are refused or repaired, never allowed"))
	}
	for _, d := range o.Disable {
		if !slices.Contains(extensionNames, strings.ToUpper(d)) {
			errs = append(errs, fmt.Errorf("smtpd: no extension that can be switched off is called %q", d))
		}
	}
	return errors.Join(errs...)
}

func prepare(opt Options, h Handler) (*settings, error) {
	s := &settings{Options: opt, handler: h, lmtp: opt.Protocol == "lmtp", off: make(map[string]bool)}
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	s.Limits = s.Limits.withDefaults()
	if s.Hostname == "" {
		return nil, errors.New("smtpd: hostname is missing")
	}
	if s.ImplicitTLS && s.TLS == nil {
		return nil, errors.New("smtpd: implicit TLS without TLS")
	}
	for _, d := range s.Disable {
		s.off[strings.ToUpper(d)] = true
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	s.plain, s.encrypted = s.keywords(false), s.keywords(true)
	s.xclient = "\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
	return s, nil
}

func (s *settings) on(name string) bool { return !s.off[name] }
