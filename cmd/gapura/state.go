package main

import (
	"context"
	"errors"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
)

// openState opens what outlives reloads, once, and prepares the options that
// it gets by this one; set makes them count.
func (s *server) openState(cfg *config.Config) (set func(), err error) {
	ctx := context.Background()
	if s.db == nil {
		if s.db, err = openDatabase(ctx, cfg); err != nil {
			return nil, err
		}
		s.database = cfg.Storage.Database
	}
	if s.stores == nil {
		if s.stores, err = s.openStores(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if s.database != cfg.Storage.Database {
		return nil, errors.New("storage.database changes only when the gateway is started anew")
	}
	if s.accounts == nil {
		s.accounts, err = account.Open(ctx, cfg.Accounts, account.Deps{DB: s.db, Log: s.log, Metrics: s.auth})
		return func() {}, err
	}
	return s.accounts.Prepare(cfg.Accounts)
}

// closeState closes it, when nobody uses it any more.
func (s *server) closeState() {
	if s.accounts != nil {
		s.accounts.Close()
	}
	if s.db == nil {
		return
	}
	if err := s.db.Close(); err != nil {
		s.log.Error("database", "error", err.Error())
	}
}
