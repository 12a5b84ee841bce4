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

// hintedError has its hint already.
type hintedError struct{ error }

func (e hintedError) Unwrap() error { return e.error }

// plainError gives the errors of accounts hints, where there is something to
// do.
func plainError(err error) error {
	var told hintedError
	switch {
	case errors.As(err, &told):
	case errors.Is(err, account.ErrWeak):
		return hintedError{fmt.Errorf("%w; --force takes it nevertheless", err)}
	case errors.Is(err, account.ErrName):
		return usageError{fmt.Errorf("%w; write it like ana@example.org", err)}
	case errors.Is(err, account.ErrTaken):
		return hintedError{fmt.Errorf("%w; `gapura user list` and `gapura alias list` tell who is there", err)}
	case errors.Is(err, account.ErrUnknown):
		return hintedError{fmt.Errorf("%w; `gapura user list` tells who is there, `gapura user show NAME` what he has", err)}
	}
	return err
}
