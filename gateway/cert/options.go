package cert

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Modes of Options.
const (
	ModeSelfSigned = "self-signed"
	ModeFiles      = "files"
)

// Options say where certificates come from.
type Options struct {
	// self-signed makes a certificate for the host name in the data folder;
	// files reads certificate and key, and watches them.
	Mode string `yaml:"mode"`
	// PEM file of the certificate, followed by its intermediates.
	Certificate string `yaml:"certificate"`
	// PEM file of the private key.
	Key string `yaml:"key"`
	// Further pairs; the client's SNI chooses. The first pair is used for
	// names that none has.
	Certificates []Pair `yaml:"certificates"`
	// How often, at most, a handshake looks whether files changed. Default 30s.
	CheckEvery time.Duration `yaml:"check_every"`

	Hostname string       `yaml:"-"` // first name of the self-signed certificate
	Names    []string     `yaml:"-"` // its further names and addresses
	Dir      string       `yaml:"-"` // folder that it is kept in
	Log      *slog.Logger `yaml:"-"` // nil: slog.Default
}

// Pair names the files of one certificate.
type Pair struct {
	// PEM file of the certificate, followed by its intermediates.
	Certificate string `yaml:"certificate"`
	// PEM file of the private key.
	Key string `yaml:"key"`
}

// DefaultCheckEvery is the default of Options.CheckEvery.
const DefaultCheckEvery = 30 * time.Second

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{Mode: ModeSelfSigned, CheckEvery: DefaultCheckEvery}
}

// Validate tells what is wrong with o; it opens nothing.
func (o Options) Validate() error {
	switch o.Mode {
	case "", ModeSelfSigned:
		if o.Certificate != "" || o.Key != "" || len(o.Certificates) > 0 {
			return fmt.Errorf("cert: certificate and key need mode %q", ModeFiles)
		}
		return nil
	case ModeFiles:
		return validPairs(o.pairs())
	}
	return fmt.Errorf("cert: unknown mode %q (use %s or %s)", o.Mode, ModeSelfSigned, ModeFiles)
}

func validPairs(pairs []Pair) error {
	if len(pairs) == 0 {
		return fmt.Errorf("cert: mode %q needs certificate and key", ModeFiles)
	}
	if len(pairs) > maxPairs {
		return fmt.Errorf("cert: %d certificates; at most %d", len(pairs), maxPairs)
	}
	for _, p := range pairs {
		if p.Certificate == "" || p.Key == "" {
			return errors.New("cert: a certificate needs its key, a key its certificate")
		}
	}
	return nil
}

func (o Options) pairs() []Pair {
	if o.Certificate == "" && o.Key == "" {
		return o.Certificates
	}
	return append([]Pair{{o.Certificate, o.Key}}, o.Certificates...)
}
