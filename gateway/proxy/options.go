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

// Options of the backends of one domain. Zero values become those of
// DefaultOptions.
type Options struct {
	// Backends are tried in this order: smtp://host:port, smtp+starttls://,
	// smtps://, lmtp://, lmtp+starttls://, lmtp+unix:///path; with
	// user:password@ before the host they are logged in to.
	Backends []string `yaml:"backends"`
	// How TLS to the backends is done.
	TLS TLSOptions `yaml:"tls"`
	// How backends are chosen: first takes the first one that works,
	// round-robin one after the other.
	Balance string `yaml:"balance"`
	// Connections to one backend at the same time.
	Connections int `yaml:"connections"`
	// Idle connections that are kept for one backend.
	Idle int `yaml:"idle"`
	// How long an idle connection is kept.
	IdleTime time.Duration `yaml:"idle_time"`
	// Messages over one connection.
	Messages int `yaml:"messages"`
	// How long a message waits for a free connection.
	Wait time.Duration `yaml:"wait"`
	// How long a connection may take to be there, without its greeting.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// How long the question whether a recipient exists may take, all backends
	// together.
	VerifyTimeout time.Duration `yaml:"verify_timeout"`
	// Failures in a row after which a backend is passed over for a while, at
	// first 1s, at most 1m.
	Failures int `yaml:"failures"`
	// How many recipients' answers are remembered; below 0: none.
	Remember int `yaml:"remember"`
	// How long an accepted recipient is not asked about again.
	RememberYes time.Duration `yaml:"remember_yes"`
	// The same for a refused one.
	RememberNo time.Duration `yaml:"remember_no"`
	// Sends messages by DATA although a backend offers CHUNKING. Set it for
	// backends that take a connection closed inside BDAT for a whole message,
	// as servers built on go-smtp do.
	NoChunking bool `yaml:"no_chunking"`
}

// TLSOptions of the connections to backends.
type TLSOptions struct {
	// Whether the backend's certificate is checked.
	Verify *bool `yaml:"verify"`
	// Name in the certificate. Default: the host of the backend's URL.
	Name string `yaml:"name"`
	// PEM file of the authorities to trust. Default: the system's.
	CA string `yaml:"ca"`
	// PEM file of a certificate of ours to show to the backend.
	Certificate string `yaml:"certificate"`
	// PEM file of its private key.
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

// DefaultOptions returns the default of every option; Backends has none.
func DefaultOptions() Options {
	verify := true
	return Options{
		TLS:     TLSOptions{Verify: &verify},
		Balance: "first", Connections: 64, Idle: 32, IdleTime: time.Minute, Messages: 1000,
		Wait: 10 * time.Second, ConnectTimeout: 5 * time.Second, VerifyTimeout: 30 * time.Second,
		Failures: 1, Remember: 50_000, RememberYes: 5 * time.Minute, RememberNo: time.Minute,
	}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	o.TLS.Verify = cmp.Or(o.TLS.Verify, d.TLS.Verify)
	o.Balance = cmp.Or(o.Balance, d.Balance)
	o.Connections = cmp.Or(o.Connections, d.Connections)
	o.Idle = cmp.Or(o.Idle, d.Idle)
	o.IdleTime = cmp.Or(o.IdleTime, d.IdleTime)
	o.Messages = cmp.Or(o.Messages, d.Messages)
	o.Wait = cmp.Or(o.Wait, d.Wait)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, d.ConnectTimeout)
	o.VerifyTimeout = cmp.Or(o.VerifyTimeout, d.VerifyTimeout)
	o.Failures = cmp.Or(o.Failures, d.Failures)
	o.Remember = cmp.Or(o.Remember, d.Remember)
	o.RememberYes = cmp.Or(o.RememberYes, d.RememberYes)
	o.RememberNo = cmp.Or(o.RememberNo, d.RememberNo)
	return o
}

// Validate tells what is wrong with o; it opens nothing.
func (o Options) Validate() error {
	for _, b := range o.Backends {
		if _, err := ParseURL(b); err != nil {
			return err
		}
	}
	return o.withDefaults().check()
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
