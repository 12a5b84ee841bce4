package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// hasConfig tells whether there is a configuration, or a noInstallation. One
// that was asked for by name is there, or is missed when it is loaded.
func hasConfig(file string) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && file == defaultConfig {
		return noInstallation("there is no " + defaultConfig + " here")
	}
	return nil
}

// installation is the spam filter of the configuration, with what was learned
// here, for a person who asks.
type installation struct {
	filter   *spam.Filter
	hostname string
	user     string // for whom it judges; "" : for everybody
	by       string // what it judges by, for people
	close    func() error
}

// unseen is what was learned, for one who asks of a message that does not come
// in: it is not counted.
type unseen struct{ *learned.Store }

// Seen implements spam.Learned.
func (unseen) Seen(context.Context, learned.Sighting) {}

// noInstallation says why there is none, for people.
type noInstallation string

func (e noInstallation) Error() string { return string(e) }

// defaultConfig is the configuration file that there need not be.
const defaultConfig = "gapura.yaml"

// openInstallation opens it; the gateway may run meanwhile. A noInstallation
// says that there is nothing to ask.
func (a *app) openInstallation(user string) (*installation, error) {
	if err := hasConfig(a.config); err != nil {
		return nil, err
	}
	cfg, err := config.Load(a.config)
	if err != nil {
		return nil, err
	}
	opt := spamOptions(cfg)
	if opt == nil {
		return nil, noInstallation(a.config + " has no filter spam")
	}
	x := &installation{hostname: cfg.Hostname, close: func() error { return nil }}
	deps := spam.Deps{Explain: true}
	if deps.Model, x.by, err = baseOf(*opt, cfg); err != nil {
		return nil, err
	}
	if deps.Rules, err = loadRules(opt.Rules, cfg); err != nil {
		return nil, err
	}
	asked, closeState, err := openLearned(a.ctx, cfg, deps.Model, a.warnings())
	if err != nil {
		return nil, fmt.Errorf("what was learned here cannot be read (--model shipped asks the bare model): %w", err)
	}
	if asked != nil {
		x.close = closeState
		deps.Learned = unseen{asked.store}
	}
	if user != "" {
		var accounts *account.Accounts
		if asked != nil {
			accounts = asked.accounts
		}
		if x.user, err = userOf(a.ctx, cfg, accounts, user); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	x.by += x.about(asked)
	if x.filter, err = spam.New(*opt, deps); err != nil { // it names the lists, and Opinion asks none
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

// baseOf returns the base model of the options, and its name.
func baseOf(opt spam.Options, cfg *config.Config) (*model.Model, string, error) {
	if opt.Model == "" {
		m, err := spam.Shipped()
		return m, "the shipped model", err
	}
	path := cfg.Path(opt.Model)
	m, err := spam.ReadModel(path)
	return m, path, err
}

// about says what beside the base is asked.
func (x *installation) about(asked *learnedState) string {
	switch {
	case asked == nil:
		return " (nothing was learned here yet)"
	case x.user != "":
		return ", and what was learned here for " + x.user
	}
	return ", and what was learned here for everybody"
}

// userOf returns the name under which lessons of an address are kept: of the user
// to whom it leads, where mail is kept here; accounts may be nil. It is an error
// where no mail comes to it: a mistyped one would be judged, or taught, like nobody.
func userOf(ctx context.Context, cfg *config.Config, accounts *account.Accounts, address string) (string, error) {
	name, err := account.Name(address)
	if err != nil {
		return "", plainError(err)
	}
	routes, err := routesOf(cfg)
	if err != nil {
		return "", err
	}
	domain := name[strings.LastIndexByte(name, '@')+1:]
	key, ok := routes.For(smtp.ForwardPath{Address: smtp.Address{Domain: domain}})
	if !ok {
		return "", fmt.Errorf("--user: no mail is taken for %s: the configuration has no such domain", domain)
	}
	kept := slices.ContainsFunc(cfg.Local(), func(d config.Domain) bool { return d.Name == key })
	if !kept || accounts == nil {
		return name, nil
	}
	list, err := accounts.Resolve(ctx, name)
	switch {
	case err != nil:
		return "", err
	case len(list) == 1 && list[0].User != "":
		return list[0].User, nil
	case len(list) == 1:
		return "", fmt.Errorf("--user: %s: there is no such user; `gapura user list` tells who is there", name)
	}
	return "", fmt.Errorf("--user: %s leads to several users; name one of them", name)
}

// learnedState is what was learned, and the accounts by whose names it is kept.
type learnedState struct {
	db       *sqldb.DB
	store    *learned.Store
	accounts *account.Accounts
}

// openLearned opens what was learned above a base, to be asked; nil: there is
// nothing.
func openLearned(ctx context.Context, cfg *config.Config, base *model.Model, log *slog.Logger) (x *learnedState, closer func() error, err error) {
	if opt := spamOptions(cfg); opt == nil || !hasDatabase(cfg) {
		return nil, func() error { return nil }, nil
	}
	if err := checkOwner(cfg.Data); err != nil {
		return nil, nil, err
	}
	x = &learnedState{}
	closer = func() error {
		var err error
		if x.store != nil {
			err = x.store.Close()
		}
		if x.accounts != nil {
			x.accounts.Close()
		}
		return errors.Join(err, x.db.Close())
	}
	if x.db, err = openDatabase(ctx, cfg, asCommand); err != nil {
		return nil, nil, err
	}
	x.store, err = learned.Open(ctx, spamOptions(cfg).Learn.Options, learned.Deps{DB: x.db, Log: log, Model: base})
	if err == nil {
		x.accounts, err = account.Open(ctx, cfg.Accounts, account.Deps{DB: x.db, Log: log})
	}
	if err != nil {
		return nil, nil, errors.Join(err, closer())
	}
	return x, closer, nil
}

// askLearned has the filters of a server that only explains ask what was
// learned, if they can: by says what they ask, and forget ends it.
func (s *server) askLearned(a *app, cfg *config.Config, log *slog.Logger) (by string, forget func()) {
	opt := spamOptions(cfg)
	if opt == nil {
		return "", func() {}
	}
	if by = "the shipped model"; opt.Model != "" {
		by = cfg.Path(opt.Model)
	}
	if err := hasConfig(a.config); err != nil {
		return by + " alone: " + err.Error(), func() {}
	}
	x, closer, err := openLearned(a.ctx, cfg, nil, log)
	if err != nil {
		return by + " alone: what was learned here cannot be read: " + err.Error(), func() {}
	}
	if x == nil {
		return by + " alone: nothing was learned here yet", func() {}
	}
	s.db, s.accounts, s.spam.store = x.db, x.accounts, x.store
	return by + ", and what was learned here", func() {
		if err := closer(); err != nil {
			log.Warn("spam: what was learned", "error", err.Error())
		}
	}
}

// hasDatabase tells whether a gateway has ever kept something; asking is to
// leave nothing behind.
func hasDatabase(cfg *config.Config) bool {
	if cfg.Storage.Database != "" && cfg.Storage.Database != "sqlite" {
		return true
	}
	_, err := os.Stat(filepath.Join(cfg.Data, "gapura.db"))
	return err == nil
}

// opinion judges a message.
func (x *installation) opinion(ctx context.Context, raw []byte, n int) (spam.Opinion, error) {
	return x.filter.Opinion(ctx, spam.Kept{Raw: raw, Hostname: x.hostname, User: x.user}, n)
}

// warnings is a log of what is worth a word beside what a command prints.
func (a *app) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
