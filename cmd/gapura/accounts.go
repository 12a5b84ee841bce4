package main

import (
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// withAccounts calls f with the accounts of the configuration; the gateway
// may run meanwhile.
func (a *app) withAccounts(f func(x *account.Accounts) error) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		x, err := account.Open(a.ctx, cfg.Accounts, account.Deps{DB: db})
		if err != nil {
			return err
		}
		defer x.Close()
		return plainError(f(x))
	})
}

// plainError gives the errors of accounts hints, where there is something to
// do.
func plainError(err error) error {
	switch {
	case errors.Is(err, account.ErrWeak):
		return fmt.Errorf("%w; --force takes it nevertheless", err)
	case errors.Is(err, account.ErrName):
		return usageError{fmt.Errorf("%w; write it like ana@example.org", err)}
	}
	return err
}
