package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Who opens a database.
const (
	asGateway = true  // alone: it plans from what it has in memory
	asCommand = false // beside the gateway, which sees changed rows by itself
)

// restoring is in a data folder while a restore is not through.
const restoring = "restore.unfinished"

// makeData makes the data folder.
func makeData(cfg *config.Config) error {
	return dataError(cfg, os.MkdirAll(cfg.Data, 0o700))
}

// dataError says where the folder is named, and what to do.
func dataError(cfg *config.Config, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return cfg.Mistake("data", "make it and give it to the user that the gateway runs as: sudo install -d -m 0700 -o gapura "+cfg.Data, "%v", err)
	}
	return err
}

// openDatabase opens the database that the configuration names, unless a
// restore of it was broken off.
func openDatabase(ctx context.Context, cfg *config.Config, gateway bool) (*sqldb.DB, error) {
	if err := makeData(cfg); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, restoring)); err == nil {
		return nil, fmt.Errorf("a restore into %s was broken off, and what is there is not whole; empty it and restore again", cfg.Data)
	}
	return sqldb.Open(ctx, sqldb.Options{URL: cfg.Storage.Database, Dir: cfg.Data, Sole: gateway})
}

// withDatabase calls f with the configuration and its database; the gateway
// may run meanwhile.
func (a *app) withDatabase(f func(cfg *config.Config, db *sqldb.DB) error) error {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	return a.withDatabaseOf(cfg, asCommand, func(db *sqldb.DB) error { return f(cfg, db) })
}

func (a *app) withDatabaseOf(cfg *config.Config, gateway bool, f func(db *sqldb.DB) error) (err error) {
	if err := checkOwner(cfg.Data); err != nil {
		return err
	}
	db, err := openDatabase(a.ctx, cfg, gateway)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return f(db)
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
