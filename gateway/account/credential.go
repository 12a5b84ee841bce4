package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Services that a credential may be limited to.
var Services = []string{"smtp", "imap", "pop3", "sieve"}

// maxCredentialName bounds the name of an app password, in octets.
const maxCredentialName = 64

// Credential is one way in: the user's password, whose name is "", or an app
// password.
type Credential struct {
	Name    string
	Scope   []string // services that it is good for; none: all
	Created time.Time
	Expires time.Time // zero: never

	v verifier
}

// usable tells whether the credential is good for a service now.
func (c *Credential) usable(service string, now time.Time) bool {
	return (c.Expires.IsZero() || now.Before(c.Expires)) && (len(c.Scope) == 0 || slices.Contains(c.Scope, service))
}

// verifier derives the verifier of a new password.
func (a *Accounts) verifier(ctx context.Context, p params, password string) (*verifier, error) {
	prepared, err := prepare(password)
	if err != nil {
		return nil, err
	}
	v, err := a.hasher.derive(ctx, p, prepared)
	return &v, err
}

// SetPassword sets a user's main password.
func (a *Accounts) SetPassword(ctx context.Context, user, password string) error {
	return a.setCredential(ctx, user, Credential{Created: time.Now()}, password)
}

// AddAppPassword adds a named credential; ErrTaken.
func (a *Accounts) AddAppPassword(ctx context.Context, user string, c Credential, password string) error {
	if c.Name == "" || len(c.Name) > maxCredentialName || !utf8.ValidString(c.Name) || strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("account: an app password's name has 1 to %d octets without spaces", maxCredentialName)
	}
	for _, s := range c.Scope {
		if !slices.Contains(Services, s) {
			return fmt.Errorf("account: %q is no service; there are %s", s, strings.Join(Services, ", "))
		}
	}
	c.Created = time.Now()
	return a.setCredential(ctx, user, c, password)
}

// setCredential stores a credential under the parameters of the user's others:
// see params. They are looked at before the work and again when it is stored.
func (a *Accounts) setCredential(ctx context.Context, user string, c Credential, password string) error {
	name, err := Name(user)
	if err != nil {
		return err
	}
	for range 3 {
		rec, err := a.record(ctx, name)
		if err != nil {
			return err
		}
		if rec.user == nil {
			return fmt.Errorf("%w: %s", ErrNoUser, name)
		}
		p, others := rec.paramsBeside(c.Name)
		if !others {
			p = a.set.Load().opt.params().newSalt()
		}
		v, err := a.verifier(ctx, p, password)
		if err != nil {
			return err
		}
		again := false
		err = a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			now, err := record(ctx, tx, name)
			if err != nil {
				return err
			}
			q, others := now.paramsBeside(c.Name)
			if again = others && q != p; again {
				return nil
			}
			return storeCredential(ctx, tx, now, c, v)
		})
		if err != nil || !again {
			return err
		}
	}
	return fmt.Errorf("account: the credentials of %s keep changing", name)
}

func storeCredential(ctx context.Context, tx *sqldb.Tx, rec *rec, c Credential, v *verifier) error {
	switch i := slices.IndexFunc(rec.creds, func(x Credential) bool { return x.Name == c.Name }); {
	case rec.user == nil:
		return ErrNoUser
	case i >= 0 && c.Name != "":
		return fmt.Errorf("%w: %s", ErrTaken, c.Name)
	case i < 0 && len(rec.creds) >= maxCredentials:
		return fmt.Errorf("account: no user has more than %d credentials", maxCredentials)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM account_credentials WHERE username = ? AND name = ?", rec.name, c.Name); err != nil {
		return err
	}
	return insertCredential(ctx, tx, rec.name, c, v)
}

func insertCredential(ctx context.Context, tx *sqldb.Tx, user string, c Credential, v *verifier) error {
	var expires int64
	if !c.Expires.IsZero() {
		expires = c.Expires.Unix()
	}
	_, err := tx.Exec(ctx, "INSERT INTO account_credentials (username, name, verifier, scope, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
		user, c.Name, v.String(), strings.Join(c.Scope, " "), c.Created.Unix(), expires)
	return err
}

// Credentials lists a user's, the main password first.
func (a *Accounts) Credentials(ctx context.Context, user string) ([]Credential, error) {
	name, err := Name(user)
	if err != nil {
		return nil, err
	}
	rec, err := a.record(ctx, name)
	if err == nil && rec.user == nil {
		err = fmt.Errorf("%w: %s", ErrNoUser, name)
	}
	if err != nil {
		return nil, err
	}
	return rec.creds, nil
}

// RemoveCredential revokes a credential at once; ErrUnknown.
func (a *Accounts) RemoveCredential(ctx context.Context, user, credential string) error {
	name, err := Name(user)
	if err != nil {
		return err
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM account_credentials WHERE username = ? AND name = ?", name, credential)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s of %s", ErrUnknown, credential, name)
		}
		return err
	})
}

// renew keeps a password that was just right anew, where the configuration
// says to keep it otherwise; only a user's only credential, since all share
// their parameters.
func (a *Accounts) renew(ctx context.Context, rec *rec, prepared string, want params) {
	old := rec.creds[0].v
	if len(rec.creds) != 1 || old.scheme == want.scheme && old.iterations == want.iterations {
		return
	}
	v, err := a.hasher.derive(ctx, want.newSalt(), prepared)
	if err == nil {
		err = a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			now, err := record(ctx, tx, rec.name)
			if err != nil || len(now.creds) != 1 {
				return err
			}
			_, err = tx.Exec(ctx, "UPDATE account_credentials SET verifier = ? WHERE username = ? AND verifier = ?", v.String(), rec.name, old.String())
			return err
		})
	}
	if err != nil && ctx.Err() == nil {
		a.log.Error("password not kept anew", "user", rec.name, "error", err.Error())
	}
}

// rec is all that is needed to check who somebody is.
type rec struct {
	name  string
	user  *User // nil: nobody of that name is kept here
	creds []Credential
}

// paramsBeside returns the parameters of the credentials but the one called
// name, and whether there are any.
func (r *rec) paramsBeside(name string) (params, bool) {
	for i := range r.creds {
		if r.creds[i].Name != name {
			return r.creds[i].v.params, true
		}
	}
	return params{}, false
}

// password tells whether the user has a main password here.
func (r *rec) password() bool { return len(r.creds) > 0 && r.creds[0].Name == "" }

func (a *Accounts) record(ctx context.Context, name string) (*rec, error) {
	return record(ctx, a.deps.DB.Read(), name)
}

func record(ctx context.Context, q sqldb.Querier, name string) (*rec, error) {
	r := &rec{name: name}
	rows, err := q.Query(ctx, `SELECT u.display, u.disabled, c.name, c.verifier, c.scope, c.created, c.expires
		FROM account_users u LEFT JOIN account_credentials c ON c.username = u.name WHERE u.name = ? ORDER BY c.name`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		u := User{Name: name}
		var cname, text, scope *string
		var created, expires *int64
		if err := rows.Scan(&u.Display, &u.Disabled, &cname, &text, &scope, &created, &expires); err != nil {
			return nil, err
		}
		r.user = &u
		if cname == nil {
			continue
		}
		c := Credential{Name: *cname, Scope: strings.Fields(*scope), Created: time.Unix(*created, 0)}
		if *expires != 0 {
			c.Expires = time.Unix(*expires, 0)
		}
		if c.v, err = parseVerifier(*text); err != nil {
			return nil, fmt.Errorf("%w of %s", err, name)
		}
		r.creds = append(r.creds, c)
	}
	return r, rows.Err()
}
