package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Bounds of what is taken from a directory.
const (
	maxDirectoryAddresses = 1000    // of an entry
	maxDirectoryCache     = 4 << 10 // entries, absences, and right passwords
	selfTime              = 24 * time.Hour
)

// directory asks LDAP servers. A nil one knows nobody.
type directory struct {
	opt     LDAP
	domains []string // lower-case ASCII; none: all
	pool    *dirPool
	log     *slog.Logger
	key     [32]byte

	mu      sync.Mutex
	entries *lru[string, dirAnswer]        // by name
	selves  *lru[string, dirAnswer]        // what users read of themselves when they logged in
	right   *lru[[keySize]byte, dirAnswer] // by name and password
}

// dirEntry is a user of the directory.
type dirEntry struct {
	dn        string
	user      string   // its name: its first address
	addresses []string // normal
	display   string
}

// dirAnswer is a remembered answer.
type dirAnswer struct {
	entry *dirEntry // nil: nobody
	until time.Time
}

func newDirectory(opt *LDAP, log *slog.Logger) (*directory, error) {
	if opt == nil {
		return nil, nil
	}
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("account: ldap: %w", err)
	}
	d := &directory{
		opt: opt.filled(), log: log, selves: newLRU[string, dirAnswer](maxDirectoryCache),
		entries: newLRU[string, dirAnswer](maxDirectoryCache), right: newLRU[[keySize]byte, dirAnswer](maxDirectoryCache),
	}
	rand.Read(d.key[:])
	for _, s := range opt.Domains {
		a, err := smtp.ASCIIDomain(s)
		if err != nil {
			return nil, fmt.Errorf("account: ldap: domains: %w", err)
		}
		d.domains = append(d.domains, a)
	}
	if opt.UserDN == "" {
		if _, err := ldap.CompileFilter(d.filter("user@example.org")); err != nil {
			return nil, fmt.Errorf("account: ldap: filter: %w", err)
		}
	} else if _, err := ldap.ParseDN(d.userDN("user@example.org")); err != nil {
		return nil, fmt.Errorf("account: ldap: user_dn: %w", err)
	}
	var err error
	d.pool, err = newDirPool(&d.opt)
	return d, err
}

func (d *directory) close() {
	if d != nil {
		d.pool.close()
	}
}

// knows tells whether a name may be a user of the directory.
func (d *directory) knows(name string) bool {
	if d == nil || strings.HasPrefix(name, " ") {
		return false
	}
	_, domain := split(name)
	return len(d.domains) == 0 || slices.Contains(d.domains, domain)
}

// fill puts a name into a template, each part escaped.
func fill(template, name string, escape func(string) string) string {
	local, domain := split(name)
	return strings.NewReplacer("{user}", escape(name), "{local}", escape(local), "{domain}", escape(domain)).Replace(template)
}

func (d *directory) filter(name string) string { return fill(d.opt.Filter, name, ldap.EscapeFilter) }
func (d *directory) userDN(name string) string { return fill(d.opt.UserDN, name, ldap.EscapeDN) }

// find returns the entry of a name; nil: there is none. The error wraps
// ErrTemporary.
func (d *directory) find(ctx context.Context, name string) (*dirEntry, error) {
	if !d.knows(name) {
		return nil, nil
	}
	d.mu.Lock()
	x, ok := d.entries.get(name)
	d.mu.Unlock()
	if ok && time.Now().Before(x.until) {
		return x.entry, nil
	}
	var e *dirEntry
	err := d.pool.do(ctx, func(c *dirConn) (err error) {
		e, err = d.search(c, name)
		return err
	})
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	d.remember(name, e)
	return e, nil
}

func (d *directory) remember(name string, e *dirEntry) {
	if d.opt.Remember < 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries.put(name, dirAnswer{e, time.Now().Add(d.opt.Remember)})
}

// search looks a name up.
func (d *directory) search(c *dirConn, name string) (*dirEntry, error) {
	if err := c.bindService(&d.opt); err != nil {
		return nil, err
	}
	base, scope, filter := d.opt.Base, ldap.ScopeWholeSubtree, d.filter(name)
	if d.opt.UserDN != "" {
		base, scope, filter = d.userDN(name), ldap.ScopeBaseObject, "(objectClass=*)"
	}
	attributes := append(slices.Clone(d.opt.Addresses), d.opt.Display)
	seconds := int(d.opt.Timeout/time.Second) + 1
	res, err := c.conn.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 2, seconds, false, filter, attributes, nil))
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return nil, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || err == nil && len(res.Entries) > 1:
		d.log.Error("the directory has several entries for one name", "user", name)
		return nil, nil
	case err != nil:
		return nil, err
	case len(res.Entries) == 0:
		return nil, nil
	}
	return d.entry(name, res.Entries[0]), nil
}

// entry takes from an entry what matters; what is no address is left out.
func (d *directory) entry(name string, x *ldap.Entry) *dirEntry {
	e := &dirEntry{dn: x.DN, user: name, display: x.GetAttributeValue(d.opt.Display)}
	if len(e.display) > maxDisplay {
		e.display = ""
	}
	for i, attribute := range d.opt.Addresses {
		for j, v := range x.GetAttributeValues(attribute) {
			n, err := Name(v)
			if err != nil || len(e.addresses) >= maxDirectoryAddresses {
				continue
			}
			if i == 0 && j == 0 && d.knows(n) {
				e.user = n
			}
			e.addresses = append(e.addresses, n)
		}
	}
	return e
}

// recall returns the entry of who logged in with this password not long ago.
func (d *directory) recall(name, password string) *dirEntry {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	x, ok := d.right.get(macOf(d.key[:], name, password))
	if !ok || !time.Now().Before(x.until) {
		return nil
	}
	return x.entry
}

// errInvalid: the directory says that name or password are wrong.
var errInvalid = errors.New("the directory knows no such user and password")

// login checks a password by a bind as the user.
func (d *directory) login(ctx context.Context, name, password string) (*dirEntry, error) {
	if password == "" { // RFC 4513 section 5.1.2: a bind that proves nothing and succeeds
		return nil, fmt.Errorf("%w: an empty password", ErrCredentials)
	}
	var e *dirEntry
	err := d.pool.do(ctx, func(c *dirConn) (err error) {
		dn := ""
		if d.opt.UserDN != "" {
			dn = d.userDN(name)
		} else {
			if e, err = d.search(c, name); err != nil {
				return err
			}
			if dn = "cn=nobody," + d.opt.Base; e != nil { // a slow directory is to tell nothing
				dn = e.dn
			}
		}
		if err := c.bindUser(dn, password); err != nil {
			return err
		}
		if e == nil && d.opt.UserDN == "" {
			return errInvalid
		}
		if e == nil {
			e, err = d.self(c, name, dn)
		}
		return err
	})
	switch {
	case errors.Is(err, errInvalid):
		return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	case err != nil:
		return nil, d.failed(ctx, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.selves.put(e.user, dirAnswer{e, time.Now().Add(selfTime)})
	if d.opt.Remember > 0 {
		d.entries.put(name, dirAnswer{e, time.Now().Add(d.opt.Remember)})
		d.right.put(macOf(d.key[:], name, password), dirAnswer{e, time.Now().Add(d.opt.Remember)})
	}
	return e, nil
}

// self reads the entry of the user that c is bound as; where it may not, the
// name is all that is known.
func (d *directory) self(c *dirConn, name, dn string) (*dirEntry, error) {
	attributes := append(slices.Clone(d.opt.Addresses), d.opt.Display)
	res, err := c.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", attributes, nil))
	if isNetwork(err) {
		return nil, err
	}
	if err != nil || len(res.Entries) != 1 {
		return &dirEntry{dn: dn, user: name}, nil
	}
	return d.entry(name, res.Entries[0]), nil
}

// failed is a failure of the directory, not of the client.
func (d *directory) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: directory: %w", ErrTemporary, err)
}

// owns tells whether one of these addresses is listed at a user's entry.
func (d *directory) owns(ctx context.Context, user string, addresses ...string) (bool, error) {
	e, err := d.find(ctx, user)
	if err != nil {
		return false, err
	}
	if e == nil && d != nil { // only the user may look there
		d.mu.Lock()
		x, _ := d.selves.get(user)
		d.mu.Unlock()
		if time.Now().Before(x.until) {
			e = x.entry
		}
	}
	return e != nil && slices.ContainsFunc(addresses, func(s string) bool { return slices.Contains(e.addresses, s) }), nil
}
