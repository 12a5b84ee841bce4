package signing

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// KeepRetired is how long the record of a key that signs no more stays:
	// longer than mail is on its way.
	KeepRetired = 7 * 24 * time.Hour
	// KeepRevoked is how long a record then says that the key is revoked.
	KeepRevoked = 30 * 24 * time.Hour
	// usualNegative is for how long resolvers may remember that a record was
	// not there, where the zone does not say; maxNegative is the most that it
	// is believed to say (RFC 2308 section 5).
	usualNegative = time.Hour
	maxNegative   = 24 * time.Hour
)

// Step is what one call of Rotate did.
type Step string

// The steps.
const (
	Generated Step = "generated" // new keys wait to be published
	Waiting   Step = "waiting"   // they are not published yet, or not for long enough
	Activated Step = "activated" // they sign, the old ones do not any more
	Idle      Step = "idle"      // the old keys' records must stay for now
	Withdrawn Step = "revoked"   // the old keys' records are to say so
	Removed   Step = "removed"   // they are forgotten
)

// RotateOptions say how.
type RotateOptions struct {
	// Selector and Algorithms are those of Request, for the keys that the first
	// step makes; nil Algorithms: those of the keys that sign.
	Selector   string
	Algorithms []Algorithm
	// Force does not wait: keys that are not published sign, and the old ones
	// are revoked at once.
	Force bool
	// Anew begins again though the old keys of the last time have not been
	// revoked yet.
	Anew bool
	Now  time.Time
}

// Rotation is what a step did and what is to be done.
type Rotation struct {
	Step     Step
	Publish  []Key     // whose records must be in DNS now, as Key.Record says
	Keep     []Key     // whose records must stay
	Delete   []Key     // whose records may go
	Next     time.Time // when to call again; zero: once what is to be published is
	Problems []string  // what DNS has instead of what it should
}

// Rotate does the next step in replacing the keys of a domain, or those of one
// of its users, so that no receiver finds a key missing: new keys are made;
// once DNS has them, and has had them for as long as resolvers may remember
// that it had not, they sign; the old ones' records stay while mail may be on
// its way, then say that they are revoked, then go.
func (k *Keys) Rotate(ctx context.Context, r dns.Resolver, domain, user string, opt RotateOptions) (Rotation, error) {
	domain, err := domainName(domain)
	if err != nil {
		return Rotation{}, err
	}
	if user, err = userName(user); err != nil {
		return Rotation{}, err
	}
	v, list, err := k.group(ctx, domain)
	if err != nil {
		return Rotation{}, fmt.Errorf("signing: %w", err)
	}
	t := &turn{k: k, ctx: ctx, r: r, v: v, opt: opt, domain: domain, user: user, all: list}
	fresh, active, retired, revoked := t.of(New), t.of(Active), t.of(Retired), t.of(Revoked)
	switch {
	case len(fresh) > 0:
		return t.activate(fresh, active)
	case len(retired) > 0 && !opt.Anew:
		return t.revoke(retired)
	case len(revoked) > 0 && !opt.Now.Before(latest(revoked, func(k Key) time.Time { return k.Revoked }).Add(KeepRevoked)):
		return t.remove(revoked)
	}
	return t.generate(active)
}

// turn is one call of Rotate.
type turn struct {
	k            *Keys
	ctx          context.Context
	r            dns.Resolver
	v            int64
	opt          RotateOptions
	domain, user string
	all          []Key
}

// of returns the stored keys of the user in a state.
func (t *turn) of(s State) (list []Key) {
	for _, k := range t.all {
		if k.State == s && k.User == t.user && k.File == "" {
			list = append(list, k)
		}
	}
	return list
}

func latest(list []Key, at func(Key) time.Time) (last time.Time) {
	for _, k := range list {
		if at(k).After(last) {
			last = at(k)
		}
	}
	return last
}

// store writes keys in a new state.
func (t *turn) store(lists ...[]Key) error {
	return t.k.commit(t.ctx, t.v, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, k := range slices.Concat(lists...) {
			if err := update(ctx, tx, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// generate makes keys like those that sign.
func (t *turn) generate(active []Key) (Rotation, error) {
	if len(active) == 0 {
		return Rotation{}, fmt.Errorf("%w of %s that could be rotated", ErrNoKeys, t.domain)
	}
	req := Request{Domain: t.domain, User: t.user, Selector: t.opt.Selector, Algorithms: t.opt.Algorithms, Now: t.opt.Now}
	if len(req.Algorithms) == 0 {
		for _, k := range active {
			if !slices.Contains(req.Algorithms, k.Algorithm()) {
				req.Algorithms = append(req.Algorithms, k.Algorithm())
			}
		}
	}
	list, err := newKeys(t.domain, t.user, New, req, t.all)
	if err != nil {
		return Rotation{}, err
	}
	err = t.k.commit(t.ctx, t.v, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, k := range list {
			if err := insert(ctx, tx, k); err != nil {
				return err
			}
		}
		return nil
	})
	return Rotation{Step: Generated, Publish: list, Keep: active}, err
}

// activate lets new keys sign when DNS has had them for long enough.
func (t *turn) activate(fresh, active []Key) (Rotation, error) {
	rot := Rotation{Step: Waiting, Publish: fresh, Keep: active}
	if !t.opt.Force {
		for i := range fresh {
			err := CheckRecord(t.ctx, t.r, &fresh[i])
			switch {
			case err != nil:
				rot.Problems = append(rot.Problems, err.Error())
				fresh[i].Seen = time.Time{}
			case fresh[i].Seen.IsZero():
				fresh[i].Seen = t.opt.Now.UTC().Truncate(time.Second)
			}
		}
		if len(rot.Problems) == 0 && len(active) > 0 {
			rot.Next = latest(fresh, func(k Key) time.Time { return k.Seen }).Add(negativeTTL(t.ctx, t.r, t.domain))
		}
		if len(rot.Problems) > 0 || t.opt.Now.Before(rot.Next) {
			return rot, t.store(fresh)
		}
	}
	for i := range fresh {
		fresh[i].State, fresh[i].Activated = Active, t.opt.Now
	}
	for i := range active {
		active[i].State, active[i].Retired = Retired, t.opt.Now
	}
	rot = Rotation{Step: Activated, Keep: slices.Concat(fresh, active)}
	if len(active) > 0 {
		rot.Next = t.opt.Now.Add(KeepRetired)
	}
	return rot, t.store(fresh, active)
}

// revoke has the records of old keys say that they are revoked.
func (t *turn) revoke(retired []Key) (Rotation, error) {
	next := latest(retired, func(k Key) time.Time { return k.Retired }).Add(KeepRetired)
	if t.opt.Now.Before(next) && !t.opt.Force {
		return Rotation{Step: Idle, Keep: slices.Concat(t.of(Active), retired), Next: next}, nil
	}
	for i := range retired {
		retired[i].State, retired[i].Revoked = Revoked, t.opt.Now
	}
	return Rotation{Step: Withdrawn, Publish: retired, Keep: t.of(Active), Next: t.opt.Now.Add(KeepRevoked)}, t.store(retired)
}

// remove forgets revoked keys.
func (t *turn) remove(revoked []Key) (Rotation, error) {
	return Rotation{Step: Removed, Delete: revoked, Keep: t.of(Active)}, t.k.commit(t.ctx, t.v, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, k := range revoked {
			if _, err := tx.Exec(ctx, `DELETE FROM signing_keys WHERE id = ?`, k.id); err != nil {
				return err
			}
		}
		return nil
	})
}

// ErrRecord wraps what is wrong with a key's record in DNS; errors of
// CheckRecord that do not wrap it are failures of DNS.
var ErrRecord = errors.New("the key's record is not as it should be")

// CheckRecord asks DNS for a key's record and compares it: nil when receivers
// find the key there, or, of a revoked key, none.
func CheckRecord(ctx context.Context, r dns.Resolver, k *Key) error {
	texts, _, err := dns.LookupTXT(ctx, r, k.Name())
	switch {
	case dns.IsNotFound(err) && k.State == Revoked:
		return nil
	case dns.IsNotFound(err):
		return fmt.Errorf("%w: %s is missing", ErrRecord, k.Name())
	case err != nil:
		return fmt.Errorf("signing: %w", err)
	case len(texts) > 1:
		return fmt.Errorf("%w: %s has %d TXT records", ErrRecord, k.Name(), len(texts))
	}
	rec, err := mailauth.ParseKeyRecord(texts[0])
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRecord, k.Name(), err)
	}
	if k.State == Revoked {
		if !rec.Revoked() {
			return fmt.Errorf("%w: %s still has a key", ErrRecord, k.Name())
		}
		return nil
	}
	public, _ := k.Public().(interface{ Equal(crypto.PublicKey) bool })
	if rec.Key == nil || !public.Equal(rec.Key) {
		return fmt.Errorf("%w: %s has another key", ErrRecord, k.Name())
	}
	if len(rec.Hashes) > 0 && !slices.Contains(rec.Hashes, "sha256") || len(rec.Services) > 0 && !slices.Contains(rec.Services, "*") && !slices.Contains(rec.Services, "email") {
		return fmt.Errorf("%w: %s forbids its use for mail with sha256", ErrRecord, k.Name())
	}
	return nil
}

// negativeTTL asks for how long resolvers may remember that a name of the zone
// has no record.
func negativeTTL(ctx context.Context, r dns.Resolver, domain string) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:])
	_, err := r.Lookup(ctx, hex.EncodeToString(b[:])+"._domainkey."+domain, dns.TypeTXT)
	var n *dns.NotFound
	if errors.As(err, &n) && n.TTL > 0 {
		return min(n.TTL, maxNegative)
	}
	return usualNegative
}
