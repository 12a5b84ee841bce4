package account

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Peer is the client of an exchange.
type Peer struct {
	Addr netip.Addr           // invalid: no network, a unix socket; it is not throttled
	TLS  *tls.ConnectionState // nil: none, and then nothing is offered
	// Service is what the client wants to use, one of Services. App passwords
	// may be limited to some.
	Service string
	Session string // id of the connection, for the log
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
	Credential    string // name of the app password, "" for any other way in
}

// Deps are what Accounts use.
type Deps struct {
	DB      *sqldb.DB
	Log     *slog.Logger // nil: nothing is logged
	Metrics *Metrics     // nil: nothing is counted
}

// Accounts are the users of the gateway. Its methods may be called by many at
// once.
type Accounts struct {
	deps     Deps
	log      *slog.Logger
	set      atomic.Pointer[settings]
	secret   [32]byte // of salts of users that are not there; the same for ever
	markKey  [32]byte // of marks; of this process
	hasher   *hasher
	throttle *throttle
	nonce    func() string // the server's half of SCRAM nonces

	known knownNetworks
}

// settings are what options made.
type settings struct {
	opt   Options
	ldap  *directory    // nil: none
	oauth *oauth        // nil: none
	certs *certificates // nil: none
}

// loadTime bounds what Open reads.
const loadTime = 30 * time.Second

// Open makes the tables where they are not there, and reads the bans.
func Open(ctx context.Context, opt Options, deps Deps) (*Accounts, error) {
	a := &Accounts{deps: deps, log: deps.Log, hasher: newHasher(), nonce: randomNonce}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.known.seen = newLRU[string, time.Time](maxCounted)
	rand.Read(a.markKey[:])
	a.throttle = newThrottle(opt.Throttle, (*bans)(a))
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	if err := deps.DB.Migrate(ctx, "account", migrations); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	if err := a.loadSecret(ctx); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	list, err := a.Bans(ctx)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	a.throttle.load(list)
	if err := a.SetOptions(opt); err != nil {
		return nil, err
	}
	return a, nil
}

// loadSecret reads the secret, which the first start makes.
func (a *Accounts) loadSecret(ctx context.Context) error {
	fresh := make([]byte, len(a.secret))
	rand.Read(fresh)
	var b []byte
	read := func(q sqldb.Querier) error {
		return q.QueryRow(ctx, "SELECT value FROM account_secrets WHERE name = ?", "salt").Scan(&b)
	}
	err := read(a.deps.DB.Read())
	if errors.Is(err, sqldb.ErrNoRows) {
		err = a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO account_secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", "salt", fresh); err != nil {
				return err
			}
			return read(tx)
		})
	}
	if err == nil && copy(a.secret[:], b) != len(a.secret) {
		err = errors.New("the secret is damaged")
	}
	return err
}

// SetOptions makes opt the options of all that follows, or changes nothing.
func (a *Accounts) SetOptions(opt Options) error {
	set, err := a.Prepare(opt)
	if err == nil {
		set()
	}
	return err
}

// Prepare makes all that opt asks for; set makes it count. Where set is not
// called nothing has changed.
func (a *Accounts) Prepare(opt Options) (set func(), err error) {
	s, err := newSettings(opt, a.log)
	if err != nil {
		return nil, err
	}
	return func() {
		a.throttle.setOptions(opt.Throttle)
		if old := a.set.Swap(s); old != nil {
			old.ldap.close()
		}
	}, nil
}

func newSettings(opt Options, log *slog.Logger) (*settings, error) {
	if err := errors.Join(opt.Validate(), opt.Throttle.Validate()); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	s := &settings{opt: opt}
	var err error
	if s.certs, err = newCertificates(opt.Certificates); err != nil {
		return nil, err
	}
	if s.oauth, err = newOAuth(opt.OAuth); err != nil {
		return nil, err
	}
	if s.ldap, err = newDirectory(opt.LDAP, log); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends connections to directories.
func (a *Accounts) Close() { a.set.Load().ldap.close() }

// Mechanisms lists the SASL mechanisms that peer may use, best first; none
// without TLS.
func (a *Accounts) Mechanisms(peer Peer) []string {
	if peer.TLS == nil {
		return nil
	}
	s := a.set.Load()
	var list []string
	if s.certs != nil && len(peer.TLS.PeerCertificates) > 0 {
		list = append(list, mechExternal)
	}
	// A client that prefers SCRAM could never log in with a password that only
	// the directory knows.
	if s.opt.SCRAM && s.ldap == nil {
		if peer.bindable() {
			list = append(list, mechSCRAMPlus)
		}
		list = append(list, mechSCRAM)
	}
	list = append(list, mechPlain, mechLogin)
	if s.oauth != nil {
		list = append(list, mechBearer, mechXOAuth2)
	}
	return list
}

// ClientAuth is for the listeners' tls.Config: whether clients are asked for a
// certificate, and the CAs that they are told of. Authenticate verifies it
// itself, so that an unknown certificate is no reason to refuse a connection.
//
//	cfg.ClientAuth, cfg.ClientCAs = accounts.ClientAuth()
func (a *Accounts) ClientAuth() (tls.ClientAuthType, *x509.CertPool) {
	c := a.set.Load().certs
	switch {
	case c == nil:
		return tls.NoClientCert, nil
	case len(c.pins) > 0: // whose issuer we do not know
		return tls.RequestClientCert, nil
	}
	return tls.RequestClientCert, c.roots
}

// Banned tells whether a client's address is refused, for listeners that close
// such connections at once.
func (a *Accounts) Banned(ctx context.Context, addr netip.Addr) bool {
	if !addr.IsValid() {
		return false
	}
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	return a.throttle.banned(ctx, subjectOf(network(addr)))
}

// userName returns the normal form of a name as a client gives it.
func (s *settings) userName(raw string) (string, error) {
	if s.opt.Domain != "" && !strings.Contains(raw, "@") {
		raw += "@" + s.opt.Domain
	}
	return Name(raw)
}
