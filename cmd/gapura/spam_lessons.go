package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// withLessons calls f with what the installation has learned, with the user's
// name as accounts have it, and with the gateway's hostname. What f changes a
// gateway that runs takes up at once, one that does not when it starts. judge: it
// teaches, by what the base model says of a message.
func (a *app) withLessons(user string, judge bool, f func(store *learned.Store, user, hostname string) error) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) (err error) {
		if user, err = a.teacher(cfg, db, user, judge); err != nil {
			return err
		}
		opt := spam.DefaultOptions()
		if o := spamOptions(cfg); o != nil {
			opt = *o
		}
		deps := learned.Deps{DB: db}
		if judge {
			if deps.Base, _, err = baseOf(opt, cfg); err != nil {
				return err
			}
		}
		store, err := learned.Open(a.ctx, opt.Learn.Options, deps)
		if err != nil {
			return err
		}
		err = errors.Join(f(store, user, cfg.Hostname), store.Close())
		return errors.Join(err, tellTaught(a.ctx, cfg)) // of what was done before an error, too
	})
}

// teacher returns the name under which lessons of --user are kept; "" : it was not
// given. Who teaches must be there, lessons of who is gone can be taken back.
func (a *app) teacher(cfg *config.Config, db *sqldb.DB, user string, teaches bool) (string, error) {
	if user == "" {
		return "", nil
	}
	name, err := account.Name(user)
	if err != nil {
		return "", plainError(err)
	}
	accounts, err := account.Open(a.ctx, cfg.Accounts, account.Deps{DB: db})
	if err != nil {
		return "", err
	}
	defer accounts.Close()
	leads, err := userOf(a.ctx, cfg, accounts, user)
	if err != nil && !teaches {
		return name, nil
	}
	return leads, err
}

// lessonsAtOnce is how many lessons are written at a time.
const lessonsAtOnce = 100

// inBatches has each message read, counted, and what was read of it written
// together with that of others. Those that cannot be read are named.
func inBatches[T any](a *app, what string, jobs int, src spamSource, read func(x *spamMessage, raw []byte) (T, error), count func(x *spamMessage, err error), write func([]T) error) error {
	b := a.newBar(what, src.total)
	defer b.end()
	type result struct {
		item T
		err  error
	}
	work := func(x spamMessage) (r result) {
		var buf bytes.Buffer
		raw, err := x.readLesson(&buf)
		if err != nil {
			return result{err: err}
		}
		r.item, r.err = read(&x, raw)
		return r
	}
	var batch []T
	flush := func() error {
		err := write(batch)
		batch = batch[:0]
		return err
	}
	err := inOrder(a.ctx, jobs, src.messages, work, func(x spamMessage, r result) error {
		b.add(x.part)
		count(&x, r.err)
		if r.err != nil {
			a.noteFailed(b, &x, r.err)
			return nil
		}
		if batch = append(batch, r.item); len(batch) == lessonsAtOnce {
			return flush()
		}
		return nil
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	return err
}

// tellTaught has a running gateway take up what was taught, or taken back. One
// that does not run does so when it starts.
func tellTaught(ctx context.Context, cfg *config.Config) error {
	resp, err := callControl(ctx, cfg, "/spam/learn", nil)
	if errors.Is(err, errNoGateway) {
		return nil
	} else if err != nil {
		return err
	}
	return resp.Body.Close()
}

// learnTaught has the running gateway learn at once what a command has taught.
func (s *server) learnTaught(w http.ResponseWriter, r *http.Request) {
	if s.spam.store == nil {
		return
	}
	if err := s.spam.store.Refresh(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}
