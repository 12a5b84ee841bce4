package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Request asks for new keys.
type Request struct {
	Domain     string
	User       string      // whose mail they sign; "" : everybody's
	Algorithms []Algorithm // nil: RSA and Ed25519
	// Selector of the key; with two of them that of the RSA key, the other's
	// has "-ed" behind it. "" : made of the day.
	Selector string
	// Whether keys wait to be activated by Rotate even where there are none
	// that sign yet.
	Wait bool
	Now  time.Time
}

// errChanged says that somebody else changed the keys.
var errChanged = errors.New("signing: the keys were changed at the same time; try again")

// Generate makes and stores keys. The first ones of a domain or user sign at
// once, unless Request.Wait: mail with a signature whose key is not published
// is no worse than mail without. Others wait for Rotate.
func (k *Keys) Generate(ctx context.Context, req Request) ([]Key, error) {
	domain, err := domainName(req.Domain)
	if err != nil {
		return nil, err
	}
	user, err := userName(req.User)
	if err != nil {
		return nil, err
	}
	v, old, err := k.group(ctx, domain)
	if err != nil {
		return nil, err
	}
	state := Active
	same := func(o Key) bool { return o.User == user && (o.State == New || o.State == Active) }
	if req.Wait || slices.ContainsFunc(old, same) {
		state = New
	}
	list, err := newKeys(domain, user, state, req, old)
	if err != nil {
		return nil, err
	}
	return list, k.commit(ctx, v, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, key := range list {
			if err := insert(ctx, tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// group returns the version of the stored keys and all keys of a domain.
func (k *Keys) group(ctx context.Context, domain string) (v int64, list []Key, err error) {
	err = k.db.View(ctx, func(ctx context.Context, q *sqldb.Reader) (err error) {
		if v, err = version(ctx, q); err == nil {
			list, err = stored(ctx, q, domain)
		}
		return err
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range k.files {
		if f.Domain == domain {
			list = append(list, f)
		}
	}
	return v, list, err
}

// commit changes keys unless somebody else did since v. This process signs by
// them at once.
func (k *Keys) commit(ctx context.Context, v int64, f func(ctx context.Context, tx *sqldb.Tx) error) error {
	err := k.change(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		now, err := version(ctx, tx)
		if err == nil && now != v+1 {
			err = errChanged
		}
		if err != nil {
			return err
		}
		return f(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return k.reload(ctx)
}

// newKeys makes the keys of a Request.
func newKeys(domain, user string, state State, req Request, old []Key) ([]Key, error) {
	algorithms := req.Algorithms
	if len(algorithms) == 0 {
		algorithms = []Algorithm{RSA, Ed25519}
	}
	var list []Key
	for _, a := range algorithms {
		key := Key{Domain: domain, User: user, State: state, Created: req.Now.UTC().Truncate(time.Second)}
		if state == Active {
			key.Activated = key.Created
		}
		key.Selector = selector(req, a, len(algorithms) > 1, slices.Concat(old, list))
		taken := func(o Key) bool { return strings.EqualFold(o.Selector, key.Selector) }
		if slices.ContainsFunc(slices.Concat(old, list), taken) {
			return nil, fmt.Errorf("%w: selector %s of %s is taken", ErrName, key.Selector, domain)
		}
		var err error
		if key.private, err = generate(a); err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		if err := key.check(); err != nil {
			return nil, err
		}
		list = append(list, key)
	}
	return list, nil
}

// selector names a new key: the one asked for, or the day and the algorithm's
// first letter, and a number where there were others on that day.
func selector(req Request, a Algorithm, several bool, old []Key) string {
	if req.Selector != "" {
		if several && a == Ed25519 {
			return req.Selector + "-ed"
		}
		return req.Selector
	}
	base := req.Now.UTC().Format("20060102") + string(a[0])
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s%d", base, n)
		}
		if !slices.ContainsFunc(old, func(o Key) bool { return strings.EqualFold(o.Selector, name) }) {
			return name
		}
	}
}
