package mtasts

import (
	"crypto/x509"
	"log/slog"
	"time"
)

// Defaults of Options.
const (
	defaultTimeout = time.Minute // RFC 8461 section 3.3
	defaultRefresh = 24 * time.Hour
)

// Options of a Cache. The zero value is a good one.
type Options struct {
	// Timeout bounds the fetch of one policy. Default 1m.
	Timeout time.Duration `yaml:"timeout"`
	// Refresh is how old a policy gets before it is fetched again; one that
	// may be kept for less than twice as long, after half of that. Default 24h.
	Refresh time.Duration `yaml:"refresh"`
	// Whether policies may be fetched from addresses that are not public, such
	// as private ones, for closed networks.
	AllowPrivate bool `yaml:"allow_private"`
	// Policies of our own domains. The http listener answers
	// https://mta-sts.DOMAIN/.well-known/mta-sts.txt with them; it needs a web
	// server in front of it that has a certificate for mta-sts.DOMAIN.
	Policies []Published `yaml:"policies"`
	// Roots are who may certify policy hosts; nil: the system's.
	Roots *x509.CertPool `yaml:"-"`
	// Port of the policy hosts; 0: 443.
	Port int `yaml:"-"`
	// Log hears what goes wrong; nil: nobody.
	Log *slog.Logger `yaml:"-"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Timeout: defaultTimeout, Refresh: defaultRefresh} }

func (o *Options) fill() {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Refresh <= 0 {
		o.Refresh = defaultRefresh
	}
	if o.Port == 0 {
		o.Port = 443
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}
