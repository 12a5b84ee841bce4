package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/gateway/quota"
	"github.com/gapura-mail/gapura/gateway/returnpath"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// handler is the gateway's own, with nothing behind it: backends and the queue
// take whoever comes to them. unasked says why users and lists cannot be asked;
// "" : they are.
func (c *explainCmd) handler(a *app, cfg *config.Config, srv *server, opt inbound.Options) (h *inbound.Handler, unasked string, done func(), err error) {
	g := &generation{cfg: cfg, groups: map[string]*proxy.Group{}}
	opt.Hostname, opt.Relay, opt.Hops, opt.Routed = cfg.Hostname, cfg.Networks.Relay, cfg.Limits.Hops, cfg.SMTP.RoutedRecipients
	opt.Header = message.HeaderLimits{Bytes: cfg.Limits.Header, Field: cfg.Limits.Field}
	opt.Submission, opt.Queue = cfg.Submission.Submission, noQueue{}
	if unasked = c.lists(a, cfg); unasked == "" {
		if err = g.openLists(a, srv, &opt); err != nil {
			unasked = err.Error()
			opt.Accounts, opt.Aliases, opt.Suppression, opt.Quota, opt.Returns = nil, nil, nil, nil, nil
		}
	}
	if opt.Backends, err = g.openRoutes(srv); err != nil {
		g.close()
		return nil, "", nil, err
	}
	opt.Routes, opt.Queued, opt.Local = g.routes, g.queued, g.local
	for key := range opt.Backends {
		if !g.local[key] || unasked != "" {
			opt.Backends[key] = noBackend{}
		}
	}
	if unasked == "" {
		if err = g.openBounces(srv); err != nil {
			g.close()
			return nil, "", nil, err
		}
		opt.Returns = returns{g.bounces}
		if c.User != "" && !known(a.ctx, srv.accounts, c.User) {
			fmt.Fprintf(a.stderr, "gapura: nobody is called %s here: no client could log in so\n", c.User)
		}
	}
	return inbound.New(opt), unasked, g.close, nil
}

// known tells whether there is a user, here or in the directory. One whom nobody
// can ask about may be.
func known(ctx context.Context, x *account.Accounts, user string) bool {
	if _, err := x.User(ctx, user); err == nil {
		return true
	}
	_, _, err := x.Listed(ctx, user)
	return !errors.Is(err, account.ErrUnknown) && !errors.Is(err, account.ErrName)
}

// lists tells why there is nothing to ask; "" : there is.
func (*explainCmd) lists(a *app, cfg *config.Config) string {
	if err := hasConfig(a.config); err != nil {
		return err.Error()
	}
	if !hasDatabase(cfg) {
		return "nothing is kept in " + cfg.Data + " yet"
	}
	if err := checkOwner(cfg.Data); err != nil {
		return err.Error()
	}
	return ""
}

// openLists opens what the database knows about users and recipients.
func (g *generation) openLists(a *app, srv *server, opt *inbound.Options) (err error) {
	srv.db, err = openDatabase(a.ctx, g.cfg, asCommand)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, func() { srv.db.Close() })
	if srv.accounts, err = account.Open(a.ctx, g.cfg.Accounts, account.Deps{DB: srv.db, Log: opt.Log}); err != nil {
		return err
	}
	g.closers = append(g.closers, srv.accounts.Close)
	if srv.suppress, err = suppress.Open(a.ctx, g.cfg.Suppression, suppress.Deps{DB: srv.db, Log: opt.Log}); err != nil {
		return err
	}
	_ = tellGateway(a.ctx, g.cfg, "/quota", nil) // that it writes what it has counted
	q, err := quota.Open(a.ctx, g.cfg.Quota, quota.Deps{DB: srv.db, Log: opt.Log})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, func() { q.Close() })
	if srv.returns, err = returnpath.Open(a.ctx, srv.db); err != nil {
		return err
	}
	accounts := newSMTPAccounts(srv.accounts, nil)
	opt.Accounts, opt.Aliases, opt.Suppression, opt.Quota = accounts, accounts, suppression{srv.suppress}, uncounted{quotas{q}}
	return nil
}

// noBackend takes everybody and gets nothing.
type noBackend struct{}

// Verify implements inbound.Backend.
func (noBackend) Verify(context.Context, smtp.ReversePath, smtp.MailParams, smtp.ForwardPath, smtp.RcptParams) (smtp.Reply, error) {
	return smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Ok"), nil
}

// Delivery implements inbound.Backend; a trial has none.
func (noBackend) Delivery() gateway.Delivery { return nil }

// noQueue is a way out that nothing takes.
type noQueue struct{}

// Delivery implements inbound.Queue; a trial has none.
func (noQueue) Delivery(string) gateway.Preparer { return nil }

// Ready implements inbound.Queue.
func (noQueue) Ready(context.Context) bool { return true }

// uncounted asks a quota as for a message of which something was refused
// before: that counts as nothing more.
type uncounted struct{ quotas }

// Mail implements inbound.Quota.
func (q uncounted) Mail(ctx context.Context, s inbound.Sender) (smtp.Reply, error) {
	s.OverQuota = true
	return q.quotas.Mail(ctx, s)
}

// Rcpt implements inbound.Quota.
func (q uncounted) Rcpt(ctx context.Context, s inbound.Sender, n int, to smtp.Address) (smtp.Reply, error) {
	s.OverQuota = true
	return q.quotas.Rcpt(ctx, s, n, to)
}

// Take implements inbound.Quota; nothing is sent.
func (uncounted) Take(context.Context, inbound.Sender, []smtp.Address, int64) (inbound.Grant, error) {
	return inbound.Grant{}, nil
}
