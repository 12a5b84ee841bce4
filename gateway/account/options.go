package account

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options of Accounts.
type Options struct {
	// Domain that is added to user names without one.
	Domain string `yaml:"domain"`
	// What separates a user's name from a detail of its own in a local part:
	// mail to user+detail is the user's. "" : nothing does.
	Separator string `yaml:"separator"`
	// Whether passwords are kept as SCRAM-SHA-256 verifiers, which SCRAM,
	// PLAIN and LOGIN can check; else as argon2id, which withstands theft of
	// the database better but knows no SCRAM. It counts for new passwords;
	// where it changed, a password is kept anew when it is next used with
	// PLAIN or LOGIN.
	SCRAM bool `yaml:"scram"`
	// Iterations of SCRAM for new passwords, at least 15000. The client works
	// as hard as we do.
	Iterations int `yaml:"iterations"`
	// How long a right password is remembered (as a keyed hash, in memory), so
	// that the next connection with it costs nothing; 0: not. One that was
	// changed or revoked is never taken.
	Remember time.Duration `yaml:"remember"`
	// What guesses cost.
	Throttle Throttle `yaml:"throttle"`
	// A directory with more users.
	LDAP *LDAP `yaml:"ldap"`
	// An OAuth server whose access tokens are taken.
	OAuth *OAuth `yaml:"oauth"`
	// Client certificates that users log in with.
	Certificates *Certificates `yaml:"certificates"`

	argon2 params // costs of argon2id for tests; zero: 19 MiB, 2 passes
}

// Throttle says what guesses cost. Failures are counted for each address (an
// IPv6 /64 is one) and each account, and half of them is forgotten every
// window. The same wrong password again is no new guess.
type Throttle struct {
	// Failures that cost nothing.
	Free int `yaml:"free"`
	// What the next attempt waits for after those; it doubles with every
	// failure.
	Delay time.Duration `yaml:"delay"`
	// The longest that it waits.
	MaxDelay time.Duration `yaml:"max_delay"`
	// Failures after which an address is banned.
	Ban int `yaml:"ban"`
	// Failures after which an account is closed to addresses that its user
	// has not logged in from before.
	Close int `yaml:"close"`
	// How long the first ban, or closure, lasts; each that follows twice as
	// long.
	BanTime time.Duration `yaml:"ban_time"`
	// The longest that one lasts.
	MaxBanTime time.Duration `yaml:"max_ban_time"`
	// The time in which half of the failures is forgotten.
	Window time.Duration `yaml:"window"`
	// How long after the attempt a failure is answered, so that the time tells
	// nothing.
	Answer time.Duration `yaml:"answer"`
	// Attempts that may wait at once; more are told to try later.
	Waiting int `yaml:"waiting"`
	// Networks whose addresses are not counted: of a webmail server for
	// instance. Accounts are.
	Trusted []netip.Prefix `yaml:"trusted"`
}

// LDAP says how a directory is asked. A user who is also kept here with a
// password of its own is not looked up there.
type LDAP struct {
	// The directory's servers: ldap://HOST, ldaps://HOST or ldapi:///PATH. The
	// first that answers is asked.
	Servers []string `yaml:"servers"`
	// Whether ldap:// connections do without STARTTLS, so that passwords can be
	// read on the way.
	Plaintext bool `yaml:"plaintext"`
	// File of the CA certificates (PEM) that servers are verified with.
	// Default: the system's.
	CA string `yaml:"ca"`
	// Who looks users up; "" : an anonymous bind does.
	BindDN string `yaml:"bind_dn"`
	// Its password.
	BindPassword string `yaml:"bind_password"`
	// Domains whose users are there; none: all.
	Domains []string `yaml:"domains"`
	// Where users are looked up.
	Base string `yaml:"base"`
	// How: a filter in which {user} is the user's name, {local} and {domain}
	// its halves. It must find one entry. Default: persons whose mail or
	// mailAlternateAddress is {user}.
	Filter string `yaml:"filter"`
	// A user's DN, with the same words in it, where no look-up is needed.
	UserDN string `yaml:"user_dn"`
	// Attributes with the user's addresses; the first value of the first is
	// the user's name. Default: mail and mailAlternateAddress.
	Addresses []string `yaml:"addresses"`
	// Attribute with the name for people. Default: displayName.
	Display string `yaml:"display"`
	// How long an answer may take. Default 5s.
	Timeout time.Duration `yaml:"timeout"`
	// Connections at once. Default 4.
	Connections int `yaml:"connections"`
	// How long answers, right passwords among them, are remembered; 0: not at
	// all. Default 1m.
	Remember time.Duration `yaml:"remember"`
}

// OAuth says which access tokens are taken.
type OAuth struct {
	// The issuer that tokens must name.
	Issuer string `yaml:"issuer"`
	// Audiences, one of which tokens must be for.
	Audience []string `yaml:"audience"`
	// Where the issuer's keys are (JWKS, https): tokens are JWTs, checked here.
	JWKS string `yaml:"jwks"`
	// Algorithms that JWTs may be signed with. Default: RS256, PS256, ES256,
	// ES384 and EdDSA.
	Algorithms []string `yaml:"algorithms"`
	// Where tokens are asked about instead (RFC 7662, https).
	Introspection string `yaml:"introspection"`
	// Who we are there.
	ClientID string `yaml:"client_id"`
	// Our secret there.
	ClientSecret string `yaml:"client_secret"`
	// The claim with the user's name. Default: email.
	Claim string `yaml:"claim"`
	// A scope that tokens must have; "" : any.
	Scope string `yaml:"scope"`
	// How far clocks may differ. Default 30s.
	Leeway time.Duration `yaml:"leeway"`
	// How long an answer may take. Default 5s.
	Timeout time.Duration `yaml:"timeout"`
	// How long keys and introspected tokens are remembered at most; 0: not
	// at all. Default 1h.
	Remember time.Duration `yaml:"remember"`
}

// Certificates say which client certificates are whose.
type Certificates struct {
	// File of the CA certificates (PEM) whose client certificates are taken;
	// the first address in one (rfc822Name, else the common name) that is a
	// user's name is the user.
	CA string `yaml:"ca"`
	// Single certificates, whoever signed them.
	Pins []Pin `yaml:"pins"`
}

// Pin is one certificate of a user.
type Pin struct {
	// The user.
	User string `yaml:"user"`
	// SHA-256 of the certificate, in hexadecimal; colons are allowed.
	SHA256 string `yaml:"sha256"`
}

// Defaults.
const (
	defaultIterations = 30_000
	defaultRemember   = 10 * time.Minute
	maxWaiting        = 100_000
)

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{
		Separator: "+", SCRAM: true, Iterations: defaultIterations, Remember: defaultRemember,
		Throttle: Throttle{
			Free: 3, Delay: time.Second, MaxDelay: 10 * time.Second,
			Ban: 20, Close: 100, BanTime: 15 * time.Minute, MaxBanTime: 24 * time.Hour, Window: time.Hour,
			Answer: time.Second, Waiting: 1000,
		},
	}
}

// orElse sets what is not set.
func orElse[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// filled returns the options with their defaults.
func (o LDAP) filled() LDAP {
	orElse(&o.Filter, "(&(objectClass=person)(|(mail={user})(mailAlternateAddress={user})))")
	if len(o.Addresses) == 0 {
		o.Addresses = []string{"mail", "mailAlternateAddress"}
	}
	orElse(&o.Display, "displayName")
	orElse(&o.Timeout, 5*time.Second)
	orElse(&o.Connections, 4)
	orElse(&o.Remember, time.Minute)
	return o
}

// filled returns the options with their defaults.
func (o OAuth) filled() OAuth {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	}
	orElse(&o.Claim, "email")
	orElse(&o.Leeway, 30*time.Second)
	orElse(&o.Timeout, 5*time.Second)
	orElse(&o.Remember, time.Hour)
	return o
}

// CheckFiles tells what is wrong with the files that the options name.
func (o *Options) CheckFiles() (errs []error) {
	if c := o.Certificates; c != nil && c.CA != "" {
		_, err := readPool("certificates", c.CA)
		errs = append(errs, err)
	}
	if l := o.LDAP; l != nil && l.CA != "" {
		_, err := readPool("ldap", l.CA)
		errs = append(errs, err)
	}
	return errs
}

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	if o.Domain != "" {
		if _, err := Name("x@" + o.Domain); err != nil {
			return fmt.Errorf("domain: %q is no domain", o.Domain)
		}
	}
	switch {
	case len(o.Separator) > 1 || strings.ContainsAny(o.Separator, "@*.\"\\ "):
		return errors.New("separator: want one character, as +")
	case o.Iterations < MinIterations || o.Iterations > maxIterations:
		return fmt.Errorf("iterations: want %d to %d", MinIterations, maxIterations)
	case o.Remember < 0 || o.Remember > 24*time.Hour:
		return errors.New("remember: want 0 to 24h")
	}
	return nil
}

// Validate tells what is wrong with the options.
func (t *Throttle) Validate() error {
	switch {
	case t.Free < 0 || t.Ban < 1 || t.Close < 1:
		return errors.New("free, ban and close are numbers of failures")
	case t.Delay < 0 || t.MaxDelay < 0 || t.MaxDelay > time.Minute:
		return errors.New("delay, max_delay: want 0 to 1m")
	case t.Answer < 0 || t.Answer > time.Minute:
		return errors.New("answer: want 0 to 1m")
	case t.BanTime <= 0 || t.MaxBanTime < t.BanTime || t.Window <= 0:
		return errors.New("ban_time and window: want more than 0; max_ban_time: no less than ban_time")
	case t.Waiting < 1 || t.Waiting > maxWaiting:
		return fmt.Errorf("waiting: want 1 to %d", maxWaiting)
	}
	return nil
}

// Validate tells what is wrong with the options.
func (o LDAP) Validate() error {
	o = o.filled()
	switch {
	case len(o.Servers) == 0:
		return errors.New("servers: name one at least")
	case o.UserDN == "" && o.Base == "":
		return errors.New("base: say where users are looked up, or give user_dn")
	case o.UserDN == "" && !strings.Contains(o.Filter, "{user}") && !strings.Contains(o.Filter, "{local}"):
		return errors.New("filter: it has neither {user} nor {local}, so it finds the same for all")
	case o.UserDN != "" && !strings.Contains(o.UserDN, "{user}") && !strings.Contains(o.UserDN, "{local}"):
		return errors.New("user_dn: it has neither {user} nor {local}, so all users are one")
	case o.BindDN != "" && o.BindPassword == "":
		return errors.New("bind_password: with none the directory takes anybody for nobody")
	case o.Timeout < 0 || o.Timeout > time.Minute || o.Connections < 1 || o.Connections > 1000:
		return errors.New("timeout: want up to 1m; connections: 1 to 1000")
	}
	for _, s := range o.Servers {
		u, err := url.Parse(s)
		if err != nil || !slices.Contains([]string{"ldap", "ldaps", "ldapi"}, u.Scheme) {
			return fmt.Errorf("servers: %q: want ldap://HOST, ldaps://HOST or ldapi:///PATH", s)
		}
	}
	return nil
}

// Validate tells what is wrong with the options.
func (o OAuth) Validate() error {
	o = o.filled()
	if (o.JWKS == "") == (o.Introspection == "") {
		return errors.New("give jwks or introspection, one of them")
	}
	if o.JWKS != "" && (o.Issuer == "" || len(o.Audience) == 0) {
		return errors.New("jwks: needs issuer and audience, or tokens for others would be taken")
	}
	if o.Timeout < 0 || o.Timeout > time.Minute || o.Leeway < 0 || o.Leeway > time.Hour {
		return errors.New("timeout: want up to 1m; leeway: up to 1h")
	}
	for _, alg := range o.Algorithms {
		if !slices.Contains(jwtAlgorithms, alg) {
			return fmt.Errorf("algorithms: %q: want some of %s", alg, strings.Join(jwtAlgorithms, " "))
		}
	}
	return errors.Join(checkURL("jwks", o.JWKS), checkURL("introspection", o.Introspection))
}

// checkURL takes https, and http to this machine.
func checkURL(key, s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%s: %q is no URL", key, s)
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (ip.IsLoopback() || u.Hostname() == "localhost") {
		return nil
	}
	return fmt.Errorf("%s: want https", key)
}

// Validate tells what is wrong with the options.
func (o Certificates) Validate() error {
	if o.CA == "" && len(o.Pins) == 0 {
		return errors.New("give ca or pins")
	}
	for _, p := range o.Pins {
		if _, err := Name(p.User); err != nil {
			return fmt.Errorf("pins: %q: %w", p.User, err)
		}
		if _, err := fingerprint(p.SHA256); err != nil {
			return fmt.Errorf("pins: %s: %w", p.User, err)
		}
	}
	return nil
}

// params are those of new passwords, without salt.
func (o *Options) params() params {
	if o.SCRAM {
		return params{scheme: schemeSCRAM, iterations: o.Iterations}
	}
	if o.argon2.scheme != "" {
		return o.argon2
	}
	return params{scheme: schemeArgon2, iterations: 2, memory: 19 << 10, threads: 1}
}
