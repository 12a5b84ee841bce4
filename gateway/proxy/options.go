package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"
)

// Options of the backends of one domain. Zero values become the defaults.
type Options struct {
	// Backends are tried in this order: smtp://host:port, smtp+starttls://,
	// smtps://, lmtp://, lmtp+starttls://, lmtp+unix:///path; with
	// user:password@ before the host they are logged in to.
	Backends []string `yaml:"backends"`
	// TLS to the backends.
	TLS TLSOptions `yaml:"tls"`
	// Balance is "first" (default: the first backend that works) or
	// "round-robin".
	Balance string `yaml:"balance"`
	// Connections to one backend at once; default 64.
	Connections int `yaml:"connections"`
	// Idle connections that are kept for one backend; default 32.
	Idle int `yaml:"idle"`
	// IdleTime after which a kept connection is closed; default 1m.
	IdleTime time.Duration `yaml:"idle_time"`
	// Messages over one connection; default 1000.
	Messages int `yaml:"messages"`
	// Wait for a free connection; default 10s.
	Wait time.Duration `yaml:"wait"`
	// ConnectTimeout for the connection alone; default 5s.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// VerifyTimeout for the question whether a recipient exists, all backends
	// together; default 30s.
	VerifyTimeout time.Duration `yaml:"verify_timeout"`
	// Failures in a row after which a backend is passed over for a while, at
	// first 1s, at most 1m; default 1.
	Failures int `yaml:"failures"`
	// Remember so many recipients' answers; default 50000, below 0 none.
	Remember int `yaml:"remember"`
	// RememberYes is how long an accepted recipient is not asked about again;
	// default 5m.
	RememberYes time.Duration `yaml:"remember_yes"`
	// RememberNo is the same for a refused one; default 1m.
	RememberNo time.Duration `yaml:"remember_no"`
}

// TLSOptions of the connections to backends.
type TLSOptions struct {
	// Verify the backend's certificate; default true.
	Verify *bool `yaml:"verify"`
	// Name in the certificate; default: the host of the backend's URL.
	Name string `yaml:"name"`
	// CA is a PEM file with those to trust; default: the system's.
	CA string `yaml:"ca"`
	// Certificate and Key are PEM files to show to the backend.
	Certificate string `yaml:"certificate"`
	// Key of Certificate.
	Key string `yaml:"key"`
}

// Deps is what a Group needs from its surroundings.
type Deps struct {
	Hello   string       // our name in EHLO
	Log     *slog.Logger // nil: slog.Default
	Metrics *Metrics     // nil: none
	// Dialer replaces net.Dialer, for tests.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	o.Balance = cmp.Or(o.Balance, "first")
	o.Connections = cmp.Or(o.Connections, 64)
	o.Idle = cmp.Or(o.Idle, 32)
	o.IdleTime = cmp.Or(o.IdleTime, time.Minute)
	o.Messages = cmp.Or(o.Messages, 1000)
	o.Wait = cmp.Or(o.Wait, 10*time.Second)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 5*time.Second)
	o.VerifyTimeout = cmp.Or(o.VerifyTimeout, 30*time.Second)
	o.Failures = cmp.Or(o.Failures, 1)
	o.Remember = cmp.Or(o.Remember, 50_000)
	o.RememberYes = cmp.Or(o.RememberYes, 5*time.Minute)
	o.RememberNo = cmp.Or(o.RememberNo, time.Minute)
	return o
}

func (o Options) check() error {
	if len(o.Backends) == 0 {
		return fmt.Errorf("proxy: no backends")
	}
	if o.Balance != "first" && o.Balance != "round-robin" {
		return fmt.Errorf("proxy: balance: %q is neither \"first\" nor \"round-robin\"", o.Balance)
	}
	for name, n := range map[string]int64{
		"connections": int64(o.Connections), "messages": int64(o.Messages), "failures": int64(o.Failures), "idle": int64(o.Idle),
		"idle_time": int64(o.IdleTime), "wait": int64(o.Wait), "connect_timeout": int64(o.ConnectTimeout),
		"verify_timeout": int64(o.VerifyTimeout), "remember_yes": int64(o.RememberYes), "remember_no": int64(o.RememberNo),
	} {
		if n < 0 {
			return fmt.Errorf("proxy: %s: is negative", name)
		}
	}
	return nil
}

// config builds the TLS configuration that all backends of a group share, and
// with it resumption of sessions.
func (o TLSOptions) config() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         o.Name,
		InsecureSkipVerify: o.Verify != nil && !*o.Verify,
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("proxy: tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("proxy: tls.ca: %s has no certificate", o.CA)
		}
	}
	if (o.Certificate == "") != (o.Key == "") {
		return nil, fmt.Errorf("proxy: tls: certificate and key go together")
	}
	if o.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
		if err != nil {
			return nil, fmt.Errorf("proxy: tls.certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
