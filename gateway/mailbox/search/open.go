package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

const (
	fileName = "search.db"
	readers  = 4
	cacheKiB = 16 << 10 // of each of SQLite's connections, at most
	pageSize = 8 << 10
	walKept  = 1 << 20 // octets of SQLite's log; with more it begins anew after a transaction
)

// sqlite3.h: the low octet of these says that the file is none of SQLite's, or
// damaged.
const (
	codeCorrupt = 11
	codeNotADB  = 26
)

// And of these, that a file was not made or did not grow: the disk is full, or
// fails.
const (
	codeIO       = 10
	codeFull     = 13
	codeCantOpen = 14
)

// openEngine opens the database that the URL or the folder names. No file is
// touched before it is used.
func openEngine(dir, databaseURL string) (*engine, error) {
	if strings.HasPrefix(databaseURL, "postgres://") || strings.HasPrefix(databaseURL, "postgresql://") {
		return openPostgres(databaseURL)
	}
	return openSQLite(filepath.Join(dir, fileName))
}

func openSQLite(name string) (*engine, error) {
	// What a power cut takes is indexed again: events are forgotten only
	// after a checkpoint, which is durable.
	dsn := "file:" + (&url.URL{Path: name}).EscapedPath() + fmt.Sprintf("?_pragma=busy_timeout(10000)&_pragma=page_size(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=wal_autocheckpoint(%d)&_pragma=journal_size_limit(%d)&_pragma=cache_size(-%d)", pageSize, walKept/pageSize, walKept, cacheKiB)
	write, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &engine{dialect: sqliteDialect, write: write, read: read}, nil
}

// errURL says nothing of the URL, which may hold a password.
var errURL = errors.New("search: the database URL is not understood")

func openPostgres(databaseURL string) (*engine, error) {
	cfg, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, errURL
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "gapura search"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(readers + 1)
	db.SetMaxIdleConns(readers + 1)
	return &engine{dialect: postgresDialect, write: db, read: db}, nil
}

// damaged tells of an error after which the file is made anew.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	// SQLITE_ERROR with a table's name: one that another version made.
	return code == codeCorrupt || code == codeNotADB
}

// noRoom tells of an error that time may mend.
func noRoom(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	}
	code := e.Code() & 0xff
	return code == codeIO || code == codeFull || code == codeCantOpen
}

// removeFiles removes SQLite's file with its log.
func removeFiles(dir string) error {
	var all []error
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, fileName+end)); err != nil && !errors.Is(err, os.ErrNotExist) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// checkpoint makes what was committed durable, and tells whether all is.
func (e *engine) checkpoint(ctx context.Context) (bool, error) {
	if e.begin != "" { // PostgreSQL's commits are
		return true, nil
	}
	var busy, log, moved int
	err := e.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &moved)
	return err == nil && busy == 0 && log == moved, err
}
