package tlsrpt

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Options of a Collector.
type Options struct {
	// Contact is the address that reports come from, and where who reads them
	// can ask. Its domain needs a DKIM key here, or reports are ignored (RFC
	// 8460 section 3). Without it, sessions are not counted and nothing is
	// sent.
	Contact string `yaml:"contact"`
	// Organization is our name in reports. Default: the host name.
	Organization string `yaml:"organization"`
	// Spread is the time after midnight UTC over which the reports of the day
	// before are sent. Default 4h.
	Spread time.Duration `yaml:"spread"`
	// Whether reports may be sent by HTTPS to addresses that are not public,
	// such as private ones, for closed networks.
	AllowPrivate bool `yaml:"allow_private"`
	// Hostname is ours: who submits the reports.
	Hostname string `yaml:"-"`
	// Roots are who may certify HTTPS receivers; nil: the system's.
	Roots *x509.CertPool `yaml:"-"`
	// Log hears what goes wrong; nil: nobody.
	Log *slog.Logger `yaml:"-"`
}

// Mailer submits the gateway's own mail.
type Mailer interface {
	// Send queues a message, CRLF line ends, to be signed with DKIM for the
	// sender's domain. When it returns nil the message is durable.
	Send(ctx context.Context, from, to string, msg []byte) error
}

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	if o.Contact == "" {
		return nil
	}
	if _, err := smtp.ParseMailbox(o.Contact, 0); err != nil {
		return fmt.Errorf("tls_rpt: contact %q: %w", o.Contact, err)
	}
	return nil
}

// defaultSpread is RFC 8460's (section 4.1).
const defaultSpread = 4 * time.Hour

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Spread: defaultSpread} }

func (o *Options) fill() {
	if o.Organization == "" {
		o.Organization = o.Hostname
	}
	if o.Spread <= 0 {
		o.Spread = defaultSpread
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}
