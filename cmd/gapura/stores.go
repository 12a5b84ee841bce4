package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// stores are where queued mail is.
type stores struct {
	blobs blob.Store
	queue *queue.Queue
	out   *outbound.State // kept connections
}

// blobDir is where the octets of messages are.
func blobDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "blobs") }

// openBlobs opens the blobs that rows of the queue refer to. One process at a
// time may, and only with the database that a bucket was first used with.
func openBlobs(ctx context.Context, cfg *config.Config, db *sqldb.DB, log *slog.Logger) (blob.Store, error) {
	if !strings.HasPrefix(cfg.Storage.Objects, "s3:") {
		files := blob.Options{Dir: blobDir(cfg), Log: log}
		return blob.OpenFiles(ctx, files, queue.Live(ctx, db, blob.NotesOf(files)))
	}
	opt, err := blob.ParseS3(cfg.Storage.Objects)
	if err != nil {
		return nil, err
	}
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	opt.Dir, opt.Owner = blobDir(cfg), "queue of the database "+id
	return blob.OpenS3(ctx, opt, log, queue.Live(ctx, db, nil))
}

// folderTime is how long a gateway waits for the data folder: a command that
// acts while no gateway runs has it for a moment, or the gateway that ends.
const folderTime = 3 * time.Second

// awaitBlobs is openBlobs for a gateway.
func awaitBlobs(ctx context.Context, cfg *config.Config, db *sqldb.DB, log *slog.Logger) (blob.Store, error) {
	end := time.NewTimer(folderTime)
	defer end.Stop()
	again := time.NewTicker(folderTime / 60)
	defer again.Stop()
	for {
		blobs, err := openBlobs(ctx, cfg, db, log)
		if !errors.Is(err, blob.ErrInUse) {
			return blobs, err
		}
		select {
		case <-again.C:
		case <-end.C:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}

// readBlobs opens the blobs for reading; the gateway may have them open
// meanwhile.
func readBlobs(ctx context.Context, cfg *config.Config) (blob.Store, error) {
	if !strings.HasPrefix(cfg.Storage.Objects, "s3:") {
		return blob.OpenFiles(ctx, blob.Options{Dir: blobDir(cfg), ReadOnly: true}, nil)
	}
	opt, err := blob.ParseS3(cfg.Storage.Objects)
	if err != nil {
		return nil, err
	}
	opt.ReadOnly = true
	return blob.OpenS3(ctx, opt, nil, nil)
}

// openStores opens blobs and queue. Nothing is sent yet.
func (s *server) openStores(ctx context.Context, cfg *config.Config) (*stores, error) {
	blobs, err := awaitBlobs(ctx, cfg, s.db, s.log)
	if err != nil {
		return nil, err
	}
	q, err := queue.Open(ctx, cfg.Queue, queue.Deps{DB: s.db, Blobs: blobs, Hostname: cfg.Hostname, Log: s.log, Metrics: s.queueMetrics, Logged: true, Reserve: s.reserve})
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	out, err := outbound.NewState(ctx, s.db, s.outbound, s.log)
	if err != nil {
		return nil, errors.Join(err, q.Close(ctx), blobs.Close())
	}
	return &stores{blobs, q, out}, nil
}

// closeTime is how long attempts that run may take to end at shutdown.
const closeTime = 20 * time.Second

// closeQueue ends the queue; the transports may be closed after it.
func (s *server) closeQueue() {
	if s.stores == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := s.stores.queue.Close(ctx); err != nil {
		s.log.Error("queue", "error", err.Error())
	}
}

// closeStores closes the rest.
func (s *server) closeStores() {
	if s.stores == nil {
		return
	}
	if err := s.mail.close(); err != nil {
		s.log.Error("mailboxes", "error", err.Error())
	}
	s.stores.out.Close()
	if err := s.stores.blobs.Close(); err != nil {
		s.log.Error("blobs", "error", err.Error())
	}
}

// openTransports opens the ways out of the queue: one for each domain, and one
// for all others.
func (g *generation) openTransports(s *server, r dns.Resolver) error {
	deps := outbound.Deps{
		Hello: g.cfg.Hostname, Names: []string{g.cfg.Hostname}, Resolver: r, State: s.stores.out, Log: s.log, Metrics: s.outbound,
		Freed: func(ctx context.Context) {
			c := queue.Change{Action: queue.Retry, Filter: queue.Filter{Route: queue.Outbound, Reason: outbound.AllListed}}
			if _, err := s.stores.queue.Act(ctx, c, nil); err != nil && ctx.Err() == nil {
				s.log.Error("mail that waited for its source goes on later", "error", err.Error())
			}
		},
	}
	if err := g.openTLSPolicies(s, r, &deps); err != nil {
		return err
	}
	out, err := outbound.New(g.cfg.Outbound, deps)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, out.Close)
	g.out = out
	g.transports = map[string]queue.Transport{queue.Outbound: g.bounces.Transport(out)}
	for name, group := range g.groups {
		g.transports[name] = queue.FromDelivery(group.Relay, func() (dsn, deliverBy bool) {
			x, known := group.Offers()
			return known && x.DSN, known && x.DeliverBy
		})
	}
	for name := range g.local {
		g.transports[name] = g.localTransport()
	}
	return nil
}

// leads returns who gets mail of the gateway's own to an address: aliases are
// followed here where the next hop does not know them, and addresses that were
// rewritten on the way through stand for whom they were before.
func (g *generation) leads(ctx context.Context, to smtp.Address) ([]gateway.Recipient, error) {
	to = g.bounces.Sender(to)
	if g.groups[g.routeOf(smtp.ForwardPath{Address: to})] == nil {
		return g.recipients(to), nil
	}
	list, err := g.accounts.Resolve(ctx, to)
	switch {
	case errors.Is(err, account.ErrAliasLoop):
		return g.recipients(to), nil
	case err != nil:
		return nil, err
	}
	return g.recipients(list...), nil
}

// recipients gives addresses their routes, and leaves out those without one.
func (g *generation) recipients(list ...smtp.Address) (rcpts []gateway.Recipient) {
	for _, a := range list {
		path := smtp.ForwardPath{Address: a}
		if route := g.routeOf(path); route != "" {
			rcpts = append(rcpts, gateway.Recipient{To: path, Route: route})
		}
	}
	return rcpts
}

// routeOf returns the route of mail that the gateway itself sends.
func (g *generation) routeOf(to smtp.ForwardPath) string {
	key, ok := g.routes.For(to)
	if to.Domain != "" && (!ok || key == route.Default) {
		return route.Outbound
	}
	return key
}
