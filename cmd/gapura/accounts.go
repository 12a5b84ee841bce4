package main

import (
	"context"
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
		err = f(cfg, x)
		if errors.Is(err, account.ErrNoUser) && cfg.Accounts.LDAP != nil {
			return hintedError{fmt.Errorf("%w; `gapura user list` tells who is there; a user of the directory is kept here too by `gapura user add NAME --no-password`", err)}
		}
		return plainError(err)
	})
}

// changeAccounts calls f as withAccountsOf does; what f has changed, a running
// gateway knows from then on.
func (a *app) changeAccounts(f func(cfg *config.Config, x *account.Accounts) error) error {
	return a.withAccountsOf(func(cfg *config.Config, x *account.Accounts) error {
		if err := f(cfg, x); err != nil {
			return err
		}
		_ = tellGateway(a.ctx, cfg, "/mailbox", mailboxAsk{Do: "forget"}) // else it knows within seconds
		return nil
	})
}

// tellGateway asks something of the gateway, if one runs.
func tellGateway(ctx context.Context, cfg *config.Config, what string, ask any) error {
	resp, err := callControl(ctx, cfg, what, ask)
	if errors.Is(err, errNoGateway) {
		return nil
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// warnForeign tells of addresses, just added, in domains that the configuration
// does not take mail for: a mistyped one is not to be found out by lost mail. It
// is no mistake where users only send.
func (a *app) warnForeign(cfg *config.Config, addresses ...string) {
	routes, err := routesOf(cfg)
	if err != nil || len(cfg.Domains) == 0 {
		return // nothing is received
	}
	told := map[string]bool{}
	for _, s := range addresses {
		domain := strings.ToLower(s[strings.LastIndexByte(s, '@')+1:])
		if _, ok := routes.For(smtp.ForwardPath{Address: smtp.Address{Domain: domain}}); !ok && domain != "" && !told[domain] {
			told[domain] = true
			fmt.Fprintf(a.stderr, "gapura: warning: no mail is taken for %s: the configuration has no such domain (domains: {%[1]s: {deliver: mailbox}})\n", domain)
		}
	}
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
