package account

import (
	"context"
	"fmt"
	"slices"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Target is where an address leads.
type Target struct {
	Address smtp.Address
	User    string // name of the user here whose it is; "" : none of ours
}

// Resolve follows aliases until they end at users or at addresses that are not
// ours; an address that is no alias leads to itself. Each target is there
// once. An alias that leads to its own address, beside others, means the user
// of that name. The error wraps ErrAliasLoop where aliases lead in a circle,
// deeper than ten, or to more than a thousand.
func (a *Accounts) Resolve(ctx context.Context, address string) ([]Target, error) {
	w := &walk{a: a, seen: map[string]bool{}, separator: a.set.Load().opt.Separator}
	if err := w.follow(ctx, address); err != nil {
		return nil, err
	}
	return w.targets, nil
}

// walk follows the aliases of one address.
type walk struct {
	a         *Accounts
	separator string
	path      []string        // names of the aliases that led here
	seen      map[string]bool // targets, and aliases that have been followed
	targets   []Target
	steps     int
}

func (w *walk) follow(ctx context.Context, address string) error {
	if w.steps++; w.steps > maxSteps {
		return fmt.Errorf("%w: %s", ErrAliasLoop, address)
	}
	name, err := Name(address)
	if err != nil { // no name of ours, but an address it may be
		return w.target(address, address, "")
	}
	alias, to, user, err := w.lookup(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case alias == "" || slices.Contains(w.path, alias) && user != "":
		return w.target(address, name, user)
	case slices.Contains(w.path, alias) || len(w.path) >= maxDepth:
		return fmt.Errorf("%w: %s", ErrAliasLoop, alias)
	case w.seen["alias "+alias]:
		return nil
	}
	w.seen["alias "+alias] = true
	w.path = append(w.path, alias)
	for _, t := range to {
		if err := w.follow(ctx, t); err != nil {
			return err
		}
	}
	w.path = w.path[:len(w.path)-1]
	return nil
}

// target notes where it ends.
func (w *walk) target(address, name, user string) error {
	key := name
	switch user {
	case "": // not ours: who knows whether case matters
		key = address
	case name:
		address = name
	}
	if w.seen[key] {
		return nil
	}
	w.seen[key] = true
	addr, err := smtp.ParseMailbox(address, smtp.UTF8)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	if len(w.targets) >= maxTargets {
		return fmt.Errorf("%w: more than %d", ErrAliasLoop, maxTargets)
	}
	w.targets = append(w.targets, Target{Address: addr, User: user})
	return nil
}

// lookup finds the alias that a name falls under, with where it leads, and the
// user whose it is. An alias of that very name comes first, then the user,
// then both without the detail, then the alias for the whole domain.
func (w *walk) lookup(ctx context.Context, name string) (alias string, to []string, user string, err error) {
	bare, detailed := withoutDetail(name, w.separator)
	for _, n := range []string{name, bare} {
		if to, err = aliasTargets(ctx, w.a.deps.DB.Read(), n); err != nil {
			return "", nil, "", err
		}
		if user, err = w.a.userOf(ctx, n); err != nil {
			return "", nil, "", err
		}
		if len(to) > 0 {
			return n, to, user, nil
		}
		if user != "" || !detailed {
			break
		}
	}
	if user != "" {
		return "", nil, user, nil
	}
	_, domain := split(name)
	if to, err = aliasTargets(ctx, w.a.deps.DB.Read(), "*@"+domain); err != nil || len(to) == 0 {
		return "", nil, "", err
	}
	return "*@" + domain, to, "", nil
}

// userOf returns the name of the user, kept here or in the directory, that a
// name is; "" : nobody's.
func (a *Accounts) userOf(ctx context.Context, name string) (string, error) {
	switch ok, err := a.isUser(ctx, name); {
	case err != nil:
		return "", err
	case ok:
		return name, nil
	}
	e, err := a.set.Load().ldap.find(ctx, name)
	if err != nil || e == nil {
		return "", err
	}
	return e.user, nil
}

// Exists tells whether mail for address is for a user or an alias of ours.
func (a *Accounts) Exists(ctx context.Context, address string) (bool, error) {
	name, err := Name(address)
	if err != nil {
		return false, nil
	}
	w := &walk{a: a, separator: a.set.Load().opt.Separator}
	alias, _, user, err := w.lookup(ctx, name)
	return alias != "" || user != "", err
}
