package signing

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// rsaBits is the size of RSA keys that are made: what every receiver takes
// (RFC 8301 section 3.2), in a record that fits UDP.
const rsaBits = 2048

// Algorithm is a key's, as k= names it.
type Algorithm string

// The algorithms.
const (
	RSA     Algorithm = "rsa"
	Ed25519 Algorithm = "ed25519"
)

// State is where a key is in its life.
type State string

// The states, in order.
const (
	New     State = "new"     // to be published; signs nothing yet
	Active  State = "active"  // signs
	Retired State = "retired" // signs no more, but receivers still look it up
	Revoked State = "revoked" // its record is to say so
)

// Errors that callers tell apart.
var (
	// ErrNoKeys says that a domain has no keys here.
	ErrNoKeys = errors.New("no keys")
	// ErrName wraps what is wrong with a domain, selector or user.
	ErrName = errors.New("not a name")
)

// Key is one DKIM key.
type Key struct {
	Domain   string // A-labels, lower case
	Selector string
	User     string // whose mail it signs; "" : everybody's
	State    State
	File     string // where it comes from, "" : the database
	// When it came into its states; zero: not yet, or of a file.
	Created, Seen, Activated, Retired, Revoked time.Time

	id      int64
	private crypto.Signer
}

// Algorithm returns the key's.
func (k *Key) Algorithm() Algorithm {
	if _, ok := k.private.(ed25519.PrivateKey); ok {
		return Ed25519
	}
	return RSA
}

// Bits returns the key's size.
func (k *Key) Bits() int {
	if r, ok := k.private.(*rsa.PrivateKey); ok {
		return r.N.BitLen()
	}
	return ed25519.PublicKeySize * 8
}

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// Name returns the domain name of the key's record (RFC 6376 section
// 3.6.2.1).
func (k *Key) Name() string { return k.Selector + "._domainkey." + k.Domain }

// Record returns the text of the key's TXT record, without a key when it is
// revoked.
func (k *Key) Record() string {
	r := mailauth.KeyRecord{Type: string(k.Algorithm()), Key: k.Public()}
	if k.State == Revoked {
		r.Key = nil
	}
	return r.String()
}

// check tells whether the key can sign.
func (k *Key) check() error {
	if !validSelector(k.Selector) {
		return fmt.Errorf("%w: selector %q is not letters, digits and hyphens", ErrName, k.Selector)
	}
	if len(k.Name()) > dns.MaxName {
		return fmt.Errorf("%w: %s is too long", ErrName, k.Name())
	}
	if bits := k.Bits(); k.Algorithm() == RSA && (bits < mailauth.MinRSABits || bits > mailauth.MaxRSABits) {
		return fmt.Errorf("RSA key of %d bits; %d to %d can be used", bits, mailauth.MinRSABits, mailauth.MaxRSABits)
	}
	return nil
}

var selectorForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

func validSelector(s string) bool { return len(s) <= 128 && selectorForm.MatchString(s) }

// domainName returns a domain in A-label form.
func domainName(s string) (string, error) {
	ascii, err := mailauth.ASCIIDomain(s)
	if err != nil {
		return "", fmt.Errorf("%w: domain %q: %w", ErrName, s, err)
	}
	name, ok := dns.Normal(ascii)
	if !ok || !strings.Contains(name, ".") || !validSelector(strings.ReplaceAll(name, "_", "x")) {
		return "", fmt.Errorf("%w: domain %q", ErrName, s)
	}
	return name, nil
}

// userName returns a user in the form in which it submits mail; "" : nobody in
// particular.
func userName(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	a, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err == nil {
		a.Domain, err = smtp.ASCIIDomain(a.Domain)
	}
	if err != nil {
		return "", fmt.Errorf("%w: user %q: %w; write it like ana@example.org", ErrName, s, err)
	}
	a.Local = strings.ToLower(a.Local)
	return a.String(), nil
}

// generate makes a private key.
func generate(a Algorithm) (crypto.Signer, error) {
	switch a {
	case RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("unknown algorithm %q", a)
}
