package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/mailauth/rsa2048"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// fresh is how long keys are used without asking whether they changed.
	fresh = 5 * time.Second
	// checkTime bounds that question.
	checkTime = 10 * time.Second
	// maxDomains is how many domains sign one message, maxKeys how many keys
	// of one of them.
	maxDomains = 3
	maxKeys    = 4
)

// Keys are the keys of our domains. Its methods may be called by many at
// once.
type Keys struct {
	db      *sqldb.DB
	wg      sync.WaitGroup
	ring    atomic.Pointer[ring]
	asking  atomic.Bool  // somebody asks whether the keys changed
	checked atomic.Int64 // when that was asked last, Unix nanoseconds

	mu     sync.Mutex // held while ring is replaced
	opt    Options
	files  []Key
	closed bool
}

// ring is what signs: it is replaced, never changed.
type ring struct {
	opt     Options
	version int64 // of the stored keys
	signers map[owner][]*mailauth.Signer
}

// owner is whose mail keys sign.
type owner struct{ domain, user string }

// Open returns the keys of the configuration and of db. Close it.
func Open(ctx context.Context, opt Options, db *sqldb.DB) (*Keys, error) {
	if err := db.Migrate(ctx, "signing", migrations); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	files, err := opt.load()
	if err != nil {
		return nil, err
	}
	k := &Keys{db: db, opt: opt, files: files}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Close waits for what is under way.
func (k *Keys) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.wg.Wait()
}

// Prepare reads what other options name, and returns what makes them count.
func (k *Keys) Prepare(opt Options) (set func(), err error) {
	files, err := opt.load()
	if err != nil {
		return nil, err
	}
	return func() {
		k.mu.Lock()
		k.opt, k.files = opt, files
		k.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), checkTime)
		defer cancel()
		if err := k.reload(ctx); err != nil {
			k.complain(err)
		}
	}, nil
}

func (k *Keys) complain(err error) {
	if log := k.ring.Load().opt.Log; log != nil {
		log.Error("DKIM keys not read; those read before go on signing", "error", err.Error())
	}
}

// reload makes the ring of what files and database have.
func (k *Keys) reload(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := &ring{opt: k.opt, signers: map[owner][]*mailauth.Signer{}}
	var list []Key
	err := k.db.View(ctx, func(ctx context.Context, q *sqldb.Reader) (err error) {
		if r.version, err = version(ctx, q); err == nil {
			list, err = stored(ctx, q, "")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	for _, key := range slices.Concat(k.files, list) {
		if o := (owner{key.Domain, key.User}); key.State == Active && len(r.signers[o]) < maxKeys {
			r.signers[o] = append(r.signers[o], k.opt.signer(&key))
		}
	}
	k.ring.Store(r)
	k.checked.Store(time.Now().UnixNano())
	return nil
}

// signer returns who signs with a key.
func (o *Options) signer(key *Key) *mailauth.Signer {
	var fault func()
	if tell := o.Fault; tell != nil {
		domain, selector := key.Domain, key.Selector
		fault = func() { tell(domain, selector) }
	}
	return &mailauth.Signer{Key: rsa2048.Signer(key.private, fault), Domain: key.Domain, Selector: key.Selector, Expire: o.Expire}
}

// current returns the ring, and asks in the background whether it is still
// true when it has not been asked for a while.
func (k *Keys) current(now time.Time) *ring {
	r := k.ring.Load()
	if now.UnixNano()-k.checked.Load() < int64(fresh) || !k.asking.CompareAndSwap(false, true) {
		return r
	}
	if !k.mu.TryLock() { // somebody reads them already
		k.asking.Store(false)
		return r
	}
	defer k.mu.Unlock()
	if k.closed {
		k.asking.Store(false)
		return r
	}
	k.wg.Go(func() {
		defer k.asking.Store(false)
		if err := k.check(r); err != nil {
			k.complain(err)
		}
	})
	return r
}

// check reads the keys again when they have changed.
func (k *Keys) check(r *ring) error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	v, err := version(ctx, k.db.Read())
	k.checked.Store(time.Now().UnixNano())
	if err != nil || v == r.version {
		return err
	}
	return k.reload(ctx)
}

// Active tells whether there is any key to sign with.
func (k *Keys) Active() bool { return len(k.current(time.Now()).signers) > 0 }

// Form is the form of the body that Sign wants the hash of.
func (k *Keys) Form() mailauth.BodyForm { return new(mailauth.Signer).BodyForm() }

// Message is a message that is about to be signed.
type Message struct {
	User   string          // who submitted it, "" : nobody who logged in
	Header *message.Header // as it will leave, but for the signatures
	Body   mailauth.BodyHash
	Not    []string  // domains that do not sign, though From may name them
	Time   time.Time // of the signatures
}

// Sign returns the DKIM-Signature fields for a message, to be put on top of
// its header: of each domain that its From names and that has keys, one with
// each of them. None is no error. It runs in the caller's goroutine and waits
// for nobody.
func (k *Keys) Sign(m Message) ([]byte, error) {
	r := k.current(m.Time)
	if len(r.signers) == 0 {
		return nil, nil
	}
	domains, err := message.AuthorDomains(m.Header)
	if err != nil {
		return nil, nil // nobody can say whose mail it is
	}
	var chosen []*mailauth.Signer
	domains = slices.DeleteFunc(domains, func(d string) bool {
		return slices.ContainsFunc(m.Not, func(not string) bool { return smtp.EqualDomain(d, strings.TrimSuffix(not, ".")) })
	})
	for _, d := range domains[:min(len(domains), maxDomains)] {
		for _, s := range r.of(d, strings.ToLower(m.User)) {
			if !slices.Contains(chosen, s) {
				chosen = append(chosen, s)
			}
		}
	}
	if len(chosen) == 0 {
		return nil, nil
	}
	names := headers(m.Header, r.opt.Headers)
	signers := make([]mailauth.Signer, len(chosen))
	for i, s := range chosen {
		signers[i] = *s
		signers[i].Time, signers[i].Headers = m.Time, names
	}
	fields, err := mailauth.SignAll(m.Header, m.Body, signers)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return fields, nil
}

// headers returns the names to sign: the usual ones and more.
func headers(h *message.Header, more []string) []string {
	names := mailauth.DefaultHeaders(h)
	for _, name := range more {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			for range h.Count(name) + 1 {
				names = append(names, name)
			}
		}
	}
	return names
}

// of returns the keys for mail of a domain: the user's own, else the domain's,
// else, where that is wanted, those of the nearest domain above it.
func (r *ring) of(domain, user string) []*mailauth.Signer {
	domain, err := mailauth.ASCIIDomain(domain)
	for err == nil && domain != "" {
		if s := r.signers[owner{domain, user}]; len(s) > 0 {
			return s
		}
		if s := r.signers[owner{domain, ""}]; len(s) > 0 {
			return s
		}
		if !r.opt.Subdomains {
			break
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return nil
}

// List returns the keys of a domain, "" : of all; those of files first.
func (k *Keys) List(ctx context.Context, domain string) ([]Key, error) {
	if domain != "" {
		var err error
		if domain, err = domainName(domain); err != nil {
			return nil, err
		}
	}
	list, err := stored(ctx, k.db.Read(), domain)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	files := slices.DeleteFunc(slices.Clone(k.files), func(f Key) bool { return domain != "" && f.Domain != domain })
	return append(files, list...), nil
}

// Remove deletes a stored key, whatever its state.
func (k *Keys) Remove(ctx context.Context, domain, selector string) error {
	domain, err := domainName(domain)
	if err != nil {
		return err
	}
	err = k.change(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM signing_keys WHERE domain = ? AND selector = ?`, domain, selector)
		if err == nil && n == 0 {
			err = ErrNoKeys
		}
		return err
	})
	if errors.Is(err, ErrNoKeys) {
		return fmt.Errorf("%w: %s has no stored key of selector %s", ErrNoKeys, domain, selector)
	}
	return err
}
