package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Peer is the client of an exchange.
type Peer struct {
	Addr netip.Addr           // invalid: no network, a unix socket; it is not throttled
	TLS  *tls.ConnectionState // nil: none, and then nothing is offered
	// Service is what the client wants to use: smtp, imap, pop3 or sieve. App
	// passwords may be limited to some.
	Service string
	// Certificate is what we showed the client in TLS, DER; nil: not known,
	// and then the channel binding tls-server-end-point is not there.
	Certificate []byte
}

// Identity is who a client is.
type Identity struct {
	User          string // whom it acts for: a user's name, which is an address
	Authenticated string // who it proved to be; another than User by delegation
	Display       string // name for people, may be ""
	Mechanism     string
	Credential    string // name of the app password, "" for the main one
}

// Target is where an address leads.
type Target struct {
	Address smtp.Address
	User    string // name of the user here whose it is; "" : none of ours
}

// Deps are what Accounts use.
type Deps struct {
	DB      *sqldb.DB
	Log     *slog.Logger // nil: nothing is logged
	Metrics *Metrics     // nil: nothing is counted
}

// Accounts are the users of the gateway. Its methods may be called by many at
// once.
type Accounts struct{ deps Deps }

// Open makes the tables where they are not there, and reads the bans.
func Open(ctx context.Context, opt Options, deps Deps) (*Accounts, error) {
	return &Accounts{deps: deps}, nil
}

// SetOptions makes opt the options of all that follows, or changes nothing.
func (a *Accounts) SetOptions(opt Options) error { return nil }

// Close ends connections to directories.
func (a *Accounts) Close() {}

// Mechanisms lists the SASL mechanisms that peer may use, best first; none
// without TLS.
func (a *Accounts) Mechanisms(peer Peer) []string { return nil }

// ClientAuth is for the listeners' tls.Config: whether clients are asked for a
// certificate, and the CAs that they are told of. Authenticate verifies it
// itself, so that an unknown certificate is no reason to refuse a connection.
//
//	cfg.ClientAuth, cfg.ClientCAs = accounts.ClientAuth()
func (a *Accounts) ClientAuth() (tls.ClientAuthType, *x509.CertPool) { return tls.NoClientCert, nil }

// Authenticate runs one exchange of mechanism. initial is the client's initial
// response, nil: it sent none. ask sends a challenge and returns the response,
// both without base64. The error wraps ErrCredentials, ErrThrottled,
// ErrTemporary or ErrExchange, or is ctx's.
func (a *Accounts) Authenticate(ctx context.Context, peer Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (Identity, error) {
	return Identity{}, ErrTemporary
}

// MaySend tells whether user may write mail from address.
func (a *Accounts) MaySend(ctx context.Context, user, address string) (bool, error) {
	return false, nil
}

// Exists tells whether mail for address is for a user or an alias of ours.
func (a *Accounts) Exists(ctx context.Context, address string) (bool, error) { return false, nil }

// Resolve follows aliases until they end at users or at addresses that are not
// ours; an address that is no alias leads to itself. Each target is there
// once. The error wraps ErrAliasLoop where aliases lead in a circle, deeper
// than maxDepth or to more than maxTargets.
func (a *Accounts) Resolve(ctx context.Context, address string) ([]Target, error) { return nil, nil }

// Banned tells whether a client's address is refused, for listeners that
// close such connections at once.
func (a *Accounts) Banned(addr netip.Addr) bool { return false }
