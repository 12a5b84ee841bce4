package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// withAccounts calls f with the accounts of the configuration; the gateway
// may run meanwhile.
func (a *app) withAccounts(f func(x *account.Accounts) error) error {
	return a.withAccountsOf(func(_ *config.Config, x *account.Accounts) error { return f(x) })
}

// withAccountsOf is withAccounts for who looks at the configuration too.
func (a *app) withAccountsOf(f func(cfg *config.Config, x *account.Accounts) error) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		x, err := account.Open(a.ctx, cfg.Accounts, account.Deps{DB: db})
		if err != nil {
			return err
		}
		defer x.Close()
		return plainError(f(cfg, x))
	})
}

// foreignFlag is that of commands that add addresses.
type foreignFlag struct {
	Foreign bool `help:"Take an address in a domain that the configuration does not have: its user may send, but gets no mail here."`
}

// check refuses addresses in domains that the configuration takes no mail for: a
// mistyped one is not to be found out by lost mail. Where none is configured
// nothing is received, and users only send.
func (f foreignFlag) check(cfg *config.Config, addresses ...string) error {
	routes, err := routesOf(cfg)
	if err != nil || f.Foreign || len(cfg.Domains) == 0 {
		return err
	}
	for _, s := range addresses {
		domain := strings.ToLower(s[strings.LastIndexByte(s, '@')+1:])
		if domain == "" {
			continue
		}
		if _, ok := routes.For(smtp.ForwardPath{Address: smtp.Address{Domain: domain}}); !ok {
			return hintedError{fmt.Errorf("%s: the configuration has no domain %s, and takes no mail for it (domains: {%[2]s: {deliver: mailbox}}); --foreign adds it nevertheless, to send from", s, domain)}
		}
	}
	return nil
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
