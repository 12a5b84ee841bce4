package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// openDatabase opens the database that the configuration names.
func openDatabase(ctx context.Context, cfg *config.Config) (*sqldb.DB, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, err
	}
	return sqldb.Open(ctx, sqldb.Options{URL: cfg.Storage.Database, Dir: cfg.Data})
}

// withAccounts calls f with the accounts of the configuration; the gateway
// may run meanwhile.
func (a *app) withAccounts(f func(x *account.Accounts) error) (err error) {
	cfg, err := config.Load(a.config)
	if err != nil {
		return err
	}
	if err := checkOwner(cfg.Data); err != nil {
		return err
	}
	db, err := openDatabase(a.ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	x, err := account.Open(a.ctx, cfg.Accounts, account.Deps{DB: db})
	if err != nil {
		return err
	}
	defer x.Close()
	return plainError(f(x))
}

// checkOwner keeps root from leaving files that the gateway's own user cannot
// open.
func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || os.Geteuid() != 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
		return fmt.Errorf("%s belongs to another user, who could not open what root makes there; run this as that user (sudo -u \\#%d gapura ...)", dir, s.Uid)
	}
	return nil
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
