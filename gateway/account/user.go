package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Bounds of what is kept of one user.
const (
	maxDisplay     = 256 // octets of the name for people
	maxCredentials = 50  // of a user
	maxGrants      = 1000
)

// User is one user.
type User struct {
	Name     string // an address, as Name returns it
	Display  string // name for people
	Disabled bool
	Created  time.Time
}

// AddUser adds a user. Without a password there is only what the directory, an
// OAuth server, certificates and app passwords let in.
func (a *Accounts) AddUser(ctx context.Context, u User, password string) error {
	name, err := Name(u.Name)
	if err != nil {
		return err
	}
	if len(u.Display) > maxDisplay || strings.ContainsFunc(u.Display, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }) {
		return fmt.Errorf("account: the display name is longer than %d octets or has control characters", maxDisplay)
	}
	var v *verifier
	if password != "" {
		if v, err = a.verifier(ctx, a.set.Load().opt.params().newSalt(), password); err != nil {
			return err
		}
	}
	now := time.Now().Unix()
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "INSERT INTO account_users (name, display, disabled, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			name, u.Display, u.Disabled, now)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s", ErrTaken, name)
		}
		if err == nil && v != nil {
			err = insertCredential(ctx, tx, name, Credential{Created: time.Unix(now, 0)}, v)
		}
		return err
	})
}

// RemoveUser removes a user and all that is only its own: credentials, grants,
// places in aliases; an alias to nobody else goes too.
func (a *Accounts) RemoveUser(ctx context.Context, user string) error {
	name, err := Name(user)
	if err != nil {
		return err
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM account_users WHERE name = ?", name)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s", ErrNoUser, name)
		}
		for _, q := range []string{
			"DELETE FROM account_credentials WHERE username = ?",
			"DELETE FROM account_grants WHERE username = ?",
			"DELETE FROM account_networks WHERE username = ?",
			"DELETE FROM account_aliases WHERE name = ?",
			"DELETE FROM account_bans WHERE subject = ?",
		} {
			if err == nil {
				_, err = tx.Exec(ctx, q, name)
			}
		}
		return err
	})
}

// SetDisabled lets a user log in no more, or again. Mail to it still arrives.
func (a *Accounts) SetDisabled(ctx context.Context, user string, disabled bool) error {
	name, err := Name(user)
	if err != nil {
		return err
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE account_users SET disabled = ? WHERE name = ?", disabled, name)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s", ErrNoUser, name)
		}
		return err
	})
}

// User returns one user; ErrUnknown.
func (a *Accounts) User(ctx context.Context, user string) (User, error) {
	name, err := Name(user)
	if err != nil {
		return User{}, err
	}
	u := User{Name: name}
	var created int64
	err = a.deps.DB.Read().QueryRow(ctx, "SELECT display, disabled, created FROM account_users WHERE name = ?", name).
		Scan(&u.Display, &u.Disabled, &created)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = fmt.Errorf("%w: %s", ErrNoUser, name)
	}
	u.Created = time.Unix(created, 0)
	return u, err
}

// Listed returns what the directory has of a user, by any of its addresses,
// which are not nil then; ErrUnknown: it is not there. The error may wrap
// ErrTemporary.
func (a *Accounts) Listed(ctx context.Context, user string) (u User, addresses []string, err error) {
	name, err := Name(user)
	if err != nil {
		return User{}, nil, err
	}
	e, err := a.set.Load().ldap.find(ctx, name)
	if err == nil && e == nil {
		err = fmt.Errorf("%w: %s", ErrNoUser, name)
	}
	if err != nil {
		return User{}, nil, err
	}
	return User{Name: e.user, Display: e.display}, append([]string{}, e.addresses...), nil
}

// Users returns at most limit users by name, those after the one called after.
func (a *Accounts) Users(ctx context.Context, after string, limit int) ([]User, error) {
	rows, err := a.deps.DB.Read().Query(ctx, "SELECT name, display, disabled, created FROM account_users WHERE name > ? ORDER BY name LIMIT ?", after, limit)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (u User, err error) {
		var created int64
		err = row.Scan(&u.Name, &u.Display, &u.Disabled, &created)
		u.Created = time.Unix(created, 0)
		return u, err
	})
}

// isUser tells whether name, which is normal, is a user kept here.
func (a *Accounts) isUser(ctx context.Context, name string) (bool, error) {
	var one int
	err := a.deps.DB.Read().QueryRow(ctx, "SELECT 1 FROM account_users WHERE name = ?", name).Scan(&one)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// First returns the user of a domain who was added first and is not disabled,
// "" : there is none here; of domain "" the first of all, of "%.domain" the
// first of its subdomains.
func (a *Accounts) First(ctx context.Context, domain string) (name string, err error) {
	like := "%"
	if domain != "" {
		like = "%@" + domain
	}
	err = a.deps.DB.Read().QueryRow(ctx, "SELECT name FROM account_users WHERE disabled = 0 AND name LIKE ? ORDER BY created, name LIMIT 1", like).Scan(&name)
	if errors.Is(err, sqldb.ErrNoRows) {
		return "", nil
	}
	return name, err
}
