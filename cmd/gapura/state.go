package main

import (
	"context"
	"errors"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/quota"
	"github.com/gapura-mail/gapura/gateway/returnpath"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// openedState says which state is open.
type openedState struct {
	data    string
	storage config.Storage
}

// openState opens what outlives reloads, once, and prepares the options that
// it gets by this one; set makes them count.
func (s *server) openState(cfg *config.Config) (set func(), err error) {
	ctx := context.Background()
	opened := openedState{cfg.Data, cfg.Storage}
	if s.db == nil {
		s.opened = opened
		s.makeRoom(cfg)
		if s.db, err = openDatabase(ctx, cfg, asGateway); err != nil {
			return nil, err
		}
		s.db.WhenTaken(func() { s.fatal <- sqldb.ErrTaken }) // a new process reads what there is
	}
	if s.opened != opened {
		return nil, errors.New("another storage or data folder needs a restart of the gateway")
	}
	if s.stores == nil {
		if s.stores, err = s.openStores(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if s.mail == nil {
		if s.mail, err = openMailboxes(ctx, cfg, s.db, s.log, s.mailboxMetrics, spamLearner{s}, s.reserve); err != nil {
			return nil, err
		}
		if err := s.mail.openSearch(ctx, cfg, s.log, s.searchMetrics); err != nil {
			return nil, err
		}
	}
	if err := s.spam.open(ctx, cfg, s.db, s.log); err != nil {
		return nil, err
	}
	if s.suppress == nil {
		if s.suppress, err = suppress.Open(ctx, cfg.Suppression, suppress.Deps{DB: s.db, Log: s.log, Metrics: s.suppressMetrics}); err != nil {
			return nil, err
		}
	}
	if s.quota == nil {
		if s.quota, err = quota.Open(ctx, cfg.Quota, quota.Deps{DB: s.db, Log: s.log, Metrics: s.quotaMetrics, Alert: s.quotaAlert}); err != nil {
			return nil, err
		}
	}
	if s.returns == nil {
		if s.returns, err = returnpath.Open(ctx, s.db); err != nil {
			return nil, err
		}
	}
	setKeys, err := s.openKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if s.accounts == nil {
		s.accounts, err = account.Open(ctx, cfg.Accounts, account.Deps{DB: s.db, Log: s.log, Metrics: s.auth})
		return setKeys, err
	}
	setAccounts, err := s.accounts.Prepare(cfg.Accounts)
	if err != nil {
		return nil, err
	}
	return func() { setKeys(); setAccounts() }, nil
}

// makeRoom keeps space back for removing mail, and for noting that it was sent
// on. It gives that up where the disk is so full that nothing could be opened: a
// gateway that does not start serves nobody, and no mail can be removed.
func (s *server) makeRoom(cfg *config.Config) {
	if cfg.Storage.Database != "sqlite" { // else the rows are on another disk
		return
	}
	given, err := sqldb.FreeReserve(mailDir(cfg))
	switch {
	case err != nil:
		s.log.Warn("the space that is kept back for removing mail", "error", err.Error())
	case given > 0:
		s.log.Warn("the disk is full: space that was kept back is used to start, and no mail is taken until there is more", "octets", given)
	}
	s.reserve = sqldb.NewReserve(mailDir(cfg), s.log, given)
}

// openKeys opens the keys that mail is signed with, or prepares their new
// options.
func (s *server) openKeys(ctx context.Context, cfg *config.Config) (set func(), err error) {
	opt := cfg.Signing
	opt.Log, opt.Fault = s.log, s.signatureFault
	if s.keys != nil {
		return s.keys.Prepare(opt)
	}
	s.keys, err = signing.Open(ctx, opt, s.db)
	return func() {}, err
}

// closeState closes it, when nobody uses it any more.
func (s *server) closeState() {
	if s.accounts != nil {
		s.accounts.Close()
	}
	if s.keys != nil {
		s.keys.Close()
	}
	if s.suppress != nil {
		if err := s.suppress.Close(context.Background()); err != nil {
			s.log.Error("suppression list", "error", err.Error())
		}
	}
	if err := s.spam.close(); err != nil {
		s.log.Error("spam", "error", err.Error())
	}
	if s.db == nil {
		return
	}
	if err := s.db.Close(); err != nil {
		s.log.Error("database", "error", err.Error())
	}
}
