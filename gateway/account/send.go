package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// MaySend tells whether user may write mail from address: its own, with any
// detail; an alias that leads to nobody else, the one for a whole domain
// included; those that the directory lists; and what it was granted. Who was
// disabled since it logged in may no more.
func (a *Accounts) MaySend(ctx context.Context, user, address string) (bool, error) {
	name, err := Name(address)
	if err != nil {
		return false, nil
	}
	u, err := Name(user)
	if err != nil {
		return false, nil
	}
	if ok, err := a.active(ctx, u); !ok || err != nil {
		return false, err
	}
	if name == u {
		return true, nil
	}
	bare, _ := withoutDetail(name, a.set.Load().opt.Separator)
	if bare == u {
		others, err := a.named(ctx, name)
		if !others || err != nil {
			return err == nil, err
		}
	}
	_, domain := split(name)
	ok, err := a.granted(ctx, u, name, bare, "*@"+domain, "*")
	if ok || err != nil {
		return ok, err
	}
	switch owns, err := a.set.Load().ldap.owns(ctx, u, name, bare); {
	case err != nil:
		return false, err
	case owns:
		others, err := a.named(ctx, name)
		return err == nil && !others, err
	}
	targets, err := a.Resolve(ctx, name)
	switch {
	case errors.Is(err, ErrAliasLoop):
		return false, nil
	case err != nil:
		return false, err
	}
	return len(targets) == 1 && targets[0].User == u, nil
}

// active tells whether a user is not disabled. One who is not kept here is the
// directory's, or a proxy's (XCLIENT).
func (a *Accounts) active(ctx context.Context, user string) (bool, error) {
	var disabled bool
	err := a.deps.DB.Read().QueryRow(ctx, "SELECT disabled FROM account_users WHERE name = ?", user).Scan(&disabled)
	if errors.Is(err, sqldb.ErrNoRows) {
		return true, nil
	}
	return !disabled, err
}

// named tells whether there is a user or an alias of that very name.
func (a *Accounts) named(ctx context.Context, name string) (bool, error) {
	if ok, err := a.isUser(ctx, name); ok || err != nil {
		return ok, err
	}
	to, err := aliasTargets(ctx, a.deps.DB.Read(), name)
	return len(to) > 0, err
}

// granted tells whether a user has one of these grants.
func (a *Accounts) granted(ctx context.Context, user string, patterns ...string) (bool, error) {
	args := []any{user}
	for _, p := range patterns {
		args = append(args, p)
	}
	var one int
	err := a.deps.DB.Read().QueryRow(ctx, "SELECT 1 FROM account_grants WHERE username = ? AND pattern IN ("+sqldb.Marks(len(patterns))+") LIMIT 1", args...).Scan(&one)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Grant lets a user send from an address that is not its own, from all of a
// domain (*@domain), or from any (*). Where the address is another user's, it
// may act for that one too (the SASL authorization identity).
func (a *Accounts) Grant(ctx context.Context, user, address string) error {
	name, p, err := grantNames(user, address)
	if err != nil {
		return err
	}
	switch u, err := a.userOf(ctx, name); {
	case err != nil:
		return err
	case u != name:
		return fmt.Errorf("%w: %s", ErrNoUser, name)
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM account_grants WHERE username = ?", name).Scan(&n); err != nil {
			return err
		}
		if n >= maxGrants {
			return fmt.Errorf("account: no user has more than %d grants", maxGrants)
		}
		_, err := tx.Exec(ctx, "INSERT INTO account_grants (username, pattern) VALUES (?, ?) ON CONFLICT DO NOTHING", name, p)
		return err
	})
}

// Revoke takes a grant back; ErrUnknown.
func (a *Accounts) Revoke(ctx context.Context, user, address string) error {
	name, p, err := grantNames(user, address)
	if err != nil {
		return err
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM account_grants WHERE username = ? AND pattern = ?", name, p)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s was not granted %s", ErrUnknown, name, p)
		}
		return err
	})
}

// Grants lists what a user was granted.
func (a *Accounts) Grants(ctx context.Context, user string) ([]string, error) {
	name, err := Name(user)
	if err != nil {
		return nil, err
	}
	return sqldb.Column[string](a.deps.DB.Read().Query(ctx, "SELECT pattern FROM account_grants WHERE username = ? ORDER BY pattern", name))
}

func grantNames(user, address string) (name, p string, err error) {
	if name, err = Name(user); err != nil {
		return "", "", err
	}
	if address == "*" {
		return name, "*", nil
	}
	p, err = pattern(address)
	return name, p, err
}
