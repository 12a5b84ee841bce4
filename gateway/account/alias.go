package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Bounds of aliases.
const (
	maxAliasTargets = 1000 // of one alias
	maxDepth        = 10   // aliases that lead to aliases
	maxTargets      = 1000 // of one address in the end
	maxSteps        = 4000 // addresses looked at on the way
)

// Alias is an address that leads to others. Mail to it goes there; a user who
// is the only target may send from it.
type Alias struct {
	Address string   // or *@domain: every address there that is nobody's
	Targets []string // addresses, of users here or not
}

// AddAlias adds targets to an alias, which it makes where it is not there.
func (a *Accounts) AddAlias(ctx context.Context, al Alias) error {
	address, err := pattern(al.Address)
	if err != nil {
		return err
	}
	if len(al.Targets) == 0 {
		return errors.New("account: an alias needs a target")
	}
	var targets, names []string
	for _, s := range al.Targets {
		t, n, err := targetOf(s)
		if err != nil {
			return err
		}
		targets, names = append(targets, t), append(names, n)
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		have, err := sqldb.Column[string](tx.Query(ctx, "SELECT name FROM account_aliases WHERE address = ?", address))
		if err != nil {
			return err
		}
		next, err := nextPosition(ctx, tx, address)
		if err != nil {
			return err
		}
		for i, t := range targets {
			if slices.Contains(have, names[i]) {
				continue
			}
			if have = append(have, names[i]); len(have) > maxAliasTargets {
				return fmt.Errorf("account: no alias has more than %d targets", maxAliasTargets)
			}
			if _, err := tx.Exec(ctx, "INSERT INTO account_aliases (address, position, target, name) VALUES (?, ?, ?, ?)", address, next, t, names[i]); err != nil {
				return err
			}
			next++
		}
		return nil
	})
}

func nextPosition(ctx context.Context, tx *sqldb.Tx, address string) (n int, err error) {
	err = tx.QueryRow(ctx, "SELECT COALESCE(MAX(position) + 1, 0) FROM account_aliases WHERE address = ?", address).Scan(&n)
	return n, err
}

// targetOf writes a target as it is kept: an address whose domain is in
// lower-case ASCII. Its local part stays as it is, since who knows how a
// stranger's server takes it; name is how targets are compared.
func targetOf(s string) (target, name string, err error) {
	if len(s) > maxName || strings.HasPrefix(s, "*@") {
		return "", "", fmt.Errorf("%w: %.40q is longer than %d octets, or no single one", ErrName, s, maxName)
	}
	addr, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err == nil {
		addr.Domain, err = smtp.ASCIIDomain(addr.Domain)
	}
	if err != nil {
		return "", "", fmt.Errorf("%w: %q: %w", ErrName, s, err)
	}
	if name, err = Name(s); err != nil {
		name = addr.String()
	}
	return addr.String(), name, nil
}

// RemoveAlias removes targets of an alias, all where none is named; ErrUnknown.
func (a *Accounts) RemoveAlias(ctx context.Context, al Alias) error {
	address, err := pattern(al.Address)
	if err != nil {
		return err
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if len(al.Targets) == 0 {
			n, err := tx.Exec(ctx, "DELETE FROM account_aliases WHERE address = ?", address)
			if err == nil && n == 0 {
				err = fmt.Errorf("%w: %s", ErrUnknown, address)
			}
			return err
		}
		for _, s := range al.Targets {
			_, name, err := targetOf(s)
			if err != nil {
				return err
			}
			n, err := tx.Exec(ctx, "DELETE FROM account_aliases WHERE address = ? AND name = ?", address, name)
			if err == nil && n == 0 {
				err = fmt.Errorf("%w: %s does not lead to %s", ErrUnknown, address, name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Aliases returns at most limit aliases by address, those after the one called
// after. Where target is given, only those that lead to it at once.
func (a *Accounts) Aliases(ctx context.Context, target, after string, limit int) ([]Alias, error) {
	q, args := `SELECT address, target FROM account_aliases WHERE address IN
		(SELECT DISTINCT address FROM account_aliases WHERE address > ? ORDER BY address LIMIT ?) ORDER BY address, position`, []any{after, limit}
	if target != "" {
		q, args = `SELECT address, target FROM account_aliases WHERE address IN
		(SELECT address FROM account_aliases WHERE name = ? AND address > ? ORDER BY address LIMIT ?) ORDER BY address, position`, []any{target, after, limit}
	}
	var list []Alias
	rows, err := a.deps.DB.Read().Query(ctx, q, args...)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var address, to string
		if err := row.Scan(&address, &to); err != nil {
			return err
		}
		if n := len(list); n == 0 || list[n-1].Address != address {
			list = append(list, Alias{Address: address})
		}
		last := &list[len(list)-1]
		last.Targets = append(last.Targets, to)
		return nil
	})
	return list, err
}

// aliasTargets returns where an address, or *@domain, leads at once.
func aliasTargets(ctx context.Context, q sqldb.Querier, address string) ([]string, error) {
	return sqldb.Column[string](q.Query(ctx, "SELECT target FROM account_aliases WHERE address = ? ORDER BY position", address))
}
