package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Authenticate runs one exchange of mechanism. initial is the client's initial
// response, nil: it sent none. ask sends a challenge and returns the response,
// both without base64. The error wraps ErrCredentials, ErrThrottled,
// ErrTemporary or ErrExchange, or is ctx's.
func (a *Accounts) Authenticate(ctx context.Context, peer Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (Identity, error) {
	mechanism = strings.ToUpper(mechanism)
	x := &exchange{a: a, set: a.set.Load(), peer: peer, initial: initial}
	var asked time.Time // when the client's last word came
	x.ask = func(c []byte) ([]byte, error) {
		b, err := ask(c)
		asked = time.Now()
		return b, err
	}
	asked = time.Now()
	if !slices.Contains(a.Mechanisms(peer), mechanism) {
		mechanism = "other"
		return x.end(mechanism, Identity{}, malformed("a mechanism that is not offered"))
	}
	var err error
	if x.at, err = a.throttle.begin(ctx, peer.Addr); err != nil {
		return x.end(mechanism, Identity{}, err)
	}
	id, err := mechanisms[mechanism](x, ctx)
	switch {
	case err == nil:
		id.Mechanism = mechanism
		x.at.end()
		if x.at.net.IsValid() { // what many share, a webmail server, is known for nobody
			a.noteNetwork(ctx, id.Authenticated, x.at.net)
		}
	case !x.asks && (errors.Is(err, ErrCredentials) || x.waited && ctx.Err() != nil):
		// Who goes away rather than wait has still guessed.
		a.saveBans(ctx, x.at.fail(x.mark))
		if e := a.throttle.sleep(ctx, x.set.opt.Throttle.Answer-time.Since(asked)); e != nil {
			err = fmt.Errorf("%w (%w)", e, err)
		}
	default:
		x.at.end()
	}
	return x.end(mechanism, id, err)
}

// end counts and logs the outcome.
func (x *exchange) end(mechanism string, id Identity, err error) (Identity, error) {
	result := resultOf(err)
	x.a.deps.Metrics.count(mechanism, result)
	ip := "local"
	if x.peer.Addr.IsValid() {
		ip = x.peer.Addr.String()
	}
	log := x.a.log.With("ip", ip, "mechanism", mechanism, "service", x.peer.Service)
	if x.peer.Session != "" {
		log = log.With("session", x.peer.Session)
	}
	if err == nil {
		log.Info("authenticated", "user", id.User, "as", id.Authenticated, "credential", id.Credential)
		return id, nil
	}
	log.Warn("authentication failed", "user", x.loggedName(), "result", result, "reason", err.Error())
	return Identity{}, err
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrThrottled):
		return "throttled"
	case errors.Is(err, ErrCredentials):
		return "credentials"
	case errors.Is(err, ErrTemporary):
		return "temporary"
	case errors.Is(err, ErrExchange):
		return "exchange"
	}
	return "cancelled"
}

// loggedName is the name that the client gave, where it has the form of one:
// people type their password there.
func (x *exchange) loggedName() string {
	if _, err := Name(x.claimed); err != nil {
		return ""
	}
	return x.claimed
}

// candidate is who a client says it is.
type candidate struct {
	*rec
	set     *settings
	service string
	secret  []byte
}

// candidate looks up who a client says it is, and counts the guess.
func (x *exchange) candidate(ctx context.Context, raw string) (*candidate, error) {
	x.claimed = raw
	name, err := x.set.userName(raw)
	if err != nil { // nobody's: it counts and costs as one, which the space keeps apart from all
		name = " " + strings.ToLower(raw[:min(len(raw), maxName)])
	}
	c := &candidate{set: x.set, service: x.peer.Service, secret: x.a.secret[:]}
	if c.rec, err = x.a.lookup(ctx, name); err != nil {
		return nil, err
	}
	known := x.at.net.IsValid() && x.a.throttle.suspect(name) && x.a.isKnown(ctx, name, x.at.net)
	return c, x.at.account(ctx, name, known)
}

// lookup is record; its error wraps ErrTemporary or is ctx's.
func (a *Accounts) lookup(ctx context.Context, name string) (*rec, error) {
	if strings.IndexByte(name, 0) >= 0 { // which the database cannot take
		return &rec{name: name}, nil
	}
	r, err := a.record(ctx, name)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrTemporary, err)
	}
	return r, err
}

// params are what a guess is derived with: the user's own, or where there is
// no such user, those that it would have.
func (c *candidate) params() params {
	if len(c.creds) > 0 {
		return c.creds[0].v.params
	}
	return c.fake(c.set.opt.params())
}

// scramParams are params, or false ones where they are not SCRAM's.
func (c *candidate) scramParams() params {
	if p := c.params(); p.scheme == schemeSCRAM {
		return p
	}
	return c.fake(params{scheme: schemeSCRAM, iterations: c.set.opt.Iterations})
}

// fake adds a salt that is always the same for a name, and tells nobody that
// there is none.
func (c *candidate) fake(p params) params {
	salt := macOf(c.secret, "salt", c.name)
	p.salt = string(salt[:saltSize])
	return p
}

// enabled tells whether the user may log in.
func (c *candidate) enabled() bool { return c.user == nil || !c.user.Disabled }

// matching returns the credential that a password derived to; nil: none.
func (c *candidate) matching(v verifier) *Credential {
	return c.first(func(x *verifier) bool { return x.params == v.params && x.stored == v.stored })
}

// proven returns the credential whose proof this is, and its verifier.
func (c *candidate) proven(p params, authMessage, proof []byte) (*Credential, *verifier) {
	if len(c.creds) == 0 { // as much work
		(&verifier{params: p}).proves(authMessage, proof)
	}
	cred := c.first(func(x *verifier) bool { return x.params == p && x.proves(authMessage, proof) })
	if cred == nil {
		return nil, nil
	}
	return cred, &cred.v
}

// first returns the first usable credential that fits; all are tried.
func (c *candidate) first(fits func(*verifier) bool) (found *Credential) {
	now := time.Now()
	for i := range c.creds {
		x := &c.creds[i]
		if fits(&x.v) && found == nil && c.enabled() && x.usable(c.service, now) {
			found = x
		}
	}
	return found
}

// reason says for the log why a credential was not taken.
func (c *candidate) reason() string {
	switch {
	case c.user == nil:
		return "no such user"
	case c.user.Disabled:
		return "the user is disabled"
	case len(c.creds) == 0:
		return "the user has no password here"
	}
	return "wrong password, or one that is expired or not for this service"
}

// password checks a name and a password.
func (x *exchange) password(ctx context.Context, authz, authc, password string) (Identity, error) {
	c, err := x.candidate(ctx, authc)
	if err != nil {
		return Identity{}, err
	}
	prepared, bad := prepare(password)
	if bad != nil { // no user's, but it costs as much
		prepared = "-"
	}
	inDirectory := bad == nil && c.enabled() && !c.rec.password() && x.set.ldap.knows(c.name)
	if inDirectory {
		if e := x.set.ldap.recall(c.name, password); e != nil {
			return x.entered(ctx, authz, c, e)
		}
	}
	v, hit := x.a.hasher.recall(c.params(), prepared)
	if !hit {
		if err := x.wait(ctx); err != nil {
			return Identity{}, err
		}
		if v, err = x.a.hasher.derive(ctx, c.params(), prepared); err != nil {
			return Identity{}, err
		}
	}
	if cred := c.matching(v); cred != nil && bad == nil {
		if !hit {
			x.a.hasher.remember(v, prepared, x.set.opt.Remember)
			x.a.renew(ctx, c.rec, prepared, x.set.opt.params())
		}
		return x.identify(ctx, authz, c, cred)
	}
	x.mark = x.a.markOf(c.name, password)
	if !inDirectory {
		return Identity{}, fmt.Errorf("%w: %s", ErrCredentials, c.reason())
	}
	e, err := x.set.ldap.login(ctx, c.name, password)
	if err != nil {
		return Identity{}, err
	}
	return x.entered(ctx, authz, c, e)
}

// wait is what earlier failures cost.
func (x *exchange) wait(ctx context.Context) error {
	err := x.at.wait(ctx)
	x.waited = err != nil
	return err
}

// markOf is the mark of a wrong password.
func (a *Accounts) markOf(name, password string) mark {
	sum := macOf(a.markKey[:], name, password)
	return mark(sum[:len(mark{})])
}

// entered is the identity of somebody whose password the directory knows.
func (x *exchange) entered(ctx context.Context, authz string, c *candidate, e *dirEntry) (Identity, error) {
	if e.user != c.name { // it logs in by another of its addresses
		rec, err := x.a.lookup(ctx, e.user)
		if err != nil {
			return Identity{}, err
		}
		c.rec = rec
	}
	if !c.enabled() {
		return Identity{}, fmt.Errorf("%w: %s", ErrCredentials, c.reason())
	}
	id, err := x.identify(ctx, authz, c, &Credential{})
	if id.Display == "" && id.User == e.user {
		id.Display = e.display
	}
	return id, err
}

// vouched is the identity of somebody whom a token or a certificate names, and
// who must be a user.
func (x *exchange) vouched(ctx context.Context, name, authz string) (Identity, error) {
	if x.claimed == "" {
		x.claimed = name
	}
	n, err := x.set.userName(name)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	rec, err := x.a.lookup(ctx, n)
	if err != nil {
		return Identity{}, err
	}
	c := &candidate{rec: rec, set: x.set}
	if rec.user == nil {
		e, err := x.set.ldap.find(ctx, n)
		switch {
		case err != nil:
			return Identity{}, err
		case e == nil:
			return Identity{}, fmt.Errorf("%w: %s is no user", ErrCredentials, n)
		}
		return x.entered(ctx, authz, c, e)
	}
	if !c.enabled() {
		return Identity{}, fmt.Errorf("%w: %s", ErrCredentials, c.reason())
	}
	return x.identify(ctx, authz, c, &Credential{})
}

// identify says whom the client acts for: itself, or a user whose address it
// was granted.
func (x *exchange) identify(ctx context.Context, authz string, c *candidate, cred *Credential) (Identity, error) {
	id := Identity{User: c.name, Authenticated: c.name, Credential: cred.Name}
	if c.user != nil {
		id.Display = c.user.Display
	}
	if authz == "" {
		return id, nil
	}
	name, err := x.set.userName(authz)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: may not act for others", ErrCredentials)
	}
	if name == c.name {
		return id, nil
	}
	other, err := x.a.lookup(ctx, name)
	if err != nil {
		return Identity{}, err
	}
	granted, err := x.a.granted(ctx, c.name, name)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrTemporary, err)
	}
	if !granted || other.user == nil || other.user.Disabled {
		return Identity{}, fmt.Errorf("%w: may not act for others", ErrCredentials)
	}
	id.User, id.Display = name, other.user.Display
	return id, nil
}
