package main

import (
	"context"
	"errors"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// suppression is the list of addresses not to be written to, as inbound asks.
type suppression struct{ list *suppress.List }

var _ inbound.Suppression = suppression{}

// Suppressed implements inbound.Suppression.
func (x suppression) Suppressed(ctx context.Context, s inbound.Sender, to smtp.Address) (smtp.Reply, error) {
	return x.list.Refused(ctx, s.From.Domain, to)
}

// withSuppression calls f with the list of the configuration; a gateway that
// runs sees what f has changed when this returns.
func (a *app) withSuppression(f func(l *suppress.List) error) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		l, err := suppress.Open(a.ctx, cfg.Suppression, suppress.Deps{DB: db})
		if err != nil {
			return err
		}
		err = f(l)
		_ = tellGateway(a.ctx, cfg, "/suppress", nil) // else it sees it within seconds
		if errors.Is(err, suppress.ErrAddress) || errors.Is(err, suppress.ErrDomain) {
			return usageError{err}
		}
		return err
	})
}
