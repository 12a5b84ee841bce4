package main

import (
	"context"
	"errors"
	"strings"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/lda"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// localAccounts are the accounts as the delivery into mailboxes asks about
// them.
type localAccounts struct {
	*account.Accounts
	targets *remembered[[]lda.Target]
	own     *remembered[[]smtp.Address]
}

var _ lda.Accounts = localAccounts{}

func newLocalAccounts(a *account.Accounts) localAccounts {
	return localAccounts{a, remember[[]lda.Target](accountsTime, accountsMax), remember[[]smtp.Address](accountsTime, accountsMax)}
}

// Resolve implements lda.Accounts.
func (a localAccounts) Resolve(ctx context.Context, to smtp.Address) ([]lda.Target, error) {
	address := to.String()
	return a.targets.get(address, func() ([]lda.Target, error) {
		list, err := a.Accounts.Resolve(ctx, address)
		if errors.Is(err, account.ErrAliasLoop) {
			return nil, errors.Join(err, aliasLoop)
		}
		targets := make([]lda.Target, len(list))
		for i, t := range list {
			targets[i] = lda.Target{Address: t.Address, User: t.User}
		}
		return targets, err
	})
}

// maxOwn bounds the addresses that a user's scripts take for its own.
const maxOwn = 200

// Addresses implements lda.Accounts: the user's name, and aliases that lead to
// nobody else.
func (a localAccounts) Addresses(ctx context.Context, user string) ([]smtp.Address, error) {
	return a.own.get(user, func() ([]smtp.Address, error) {
		aliases, err := a.Aliases(ctx, user, "", maxOwn)
		if err != nil {
			return nil, err
		}
		names := []string{user}
		for _, x := range aliases {
			if len(x.Targets) == 1 && !strings.HasPrefix(x.Address, "*@") {
				names = append(names, x.Address)
			}
		}
		list := make([]smtp.Address, 0, len(names))
		for _, n := range names {
			if addr, err := smtp.ParseMailbox(n, smtp.UTF8); err == nil {
				list = append(list, addr)
			}
		}
		return list, nil
	})
}
