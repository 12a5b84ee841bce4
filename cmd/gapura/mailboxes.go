package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/lda"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sieve"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/transfer"
)

// mailboxes are where mail is kept.
type mailboxes struct {
	*mailbox.Store
	blobs   blob.Store
	scripts *lda.Scripts
	ferries *transfer.Server // imports and exports
	search  *search.Index    // of the running gateway only
	index   func()           // ends indexing
}

// mailDir is where the octets of kept mail are: apart from those of the queue.
func mailDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "mail") }

// openMail opens the blobs that rows of mailboxes refer to. One process at a
// time may, and only with the database that a bucket was first used with.
func openMail(ctx context.Context, cfg *config.Config, db *sqldb.DB, log *slog.Logger) (blob.Store, error) {
	live := mailbox.LiveBlobs(ctx, db)
	if !strings.HasPrefix(cfg.Storage.Objects, "s3:") {
		return blob.OpenFilesUse(ctx, blob.Options{Dir: mailDir(cfg), Log: log}, live)
	}
	opt, err := blob.ParseS3(cfg.Storage.Objects)
	if err != nil {
		return nil, err
	}
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	opt.Prefix += "mail/"
	opt.Dir, opt.Owner = mailDir(cfg), "mail of the database "+id
	return blob.OpenS3Use(ctx, opt, log, live)
}

// openMailboxes opens the mail of all users. r is used to remove mail when the disk is full.
func openMailboxes(ctx context.Context, cfg *config.Config, db *sqldb.DB, log *slog.Logger, m *mailbox.Metrics, l mailbox.Learner, r *sqldb.Reserve) (*mailboxes, error) {
	blobs, err := openMail(ctx, cfg, db, log)
	if err != nil {
		return nil, err
	}
	deps := mailbox.Deps{DB: db, Blobs: blobs, Log: log, Metrics: m, Events: true, Learner: l, Reserve: r}
	store, err := mailbox.Open(ctx, cfg.Mailboxes.Store, deps)
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return &mailboxes{Store: store, blobs: blobs, scripts: lda.NewScripts(scriptOptions(cfg)), ferries: transfer.NewServer(store)}, nil
}

// searchDir is where the search index is, but on PostgreSQL. It is made anew
// where it is missing.
func searchDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "search") }

// openSearch opens the search index, and indexes beside everything else what
// it lacks.
func (m *mailboxes) openSearch(ctx context.Context, cfg *config.Config, log *slog.Logger, metrics *search.Metrics) (err error) {
	deps := m.Store.ForSearch()
	deps.Dir, deps.Log, deps.Metrics = searchDir(cfg), log, metrics
	if strings.HasPrefix(cfg.Storage.Database, "postgres") {
		deps.URL = cfg.Storage.Database
	}
	if m.search, err = search.Open(ctx, cfg.Mailboxes.Search, deps); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.search.Run(run)
	}()
	m.index = func() { cancel(); <-done }
	return nil
}

// close ends it, when nobody uses it any more.
func (m *mailboxes) close() (err error) {
	if m == nil {
		return nil
	}
	if m.search != nil {
		m.index()
		err = m.search.Close()
	}
	return errors.Join(err, m.Store.Close(), m.blobs.Close())
}

// configure takes new options.
func (m *mailboxes) configure(cfg *config.Config) {
	m.Store.Configure(cfg.Mailboxes.Store)
	m.search.Reconfigure(cfg.Mailboxes.Search)
	m.scripts.Reconfigure(scriptOptions(cfg))
}

// scriptOptions are those of Sieve, with the separator that accounts have.
func scriptOptions(cfg *config.Config) sieve.Options {
	opt := cfg.Sieve
	if s := cfg.Accounts.Separator; s != "" {
		opt.Separators = s
	}
	return opt
}

// openLocal makes the delivery into mailboxes, of domains that are kept here.
func (g *generation) openLocal(s *server) (err error) {
	accounts := newLocalAccounts(s.accounts)
	g.forget = append(g.forget, accounts.targets.forget, accounts.own.forget)
	deps := lda.Deps{
		Accounts: accounts, Route: g.localRoute, Hostname: g.cfg.Hostname, Separator: g.cfg.Accounts.Separator,
		Rewrite:     func(from smtp.ReversePath, domain string) smtp.ReversePath { return g.bounces.Rewrite(from, domain) },
		Sign:        mailer{keys: s.keys}.sign,
		Postmasters: map[string]string{}, Log: s.log, Metrics: s.lda,
	}
	if s.mail != nil { // not where the configuration is only checked
		deps.Mailboxes, deps.Scripts, deps.Queue = s.mail.Store, s.mail.scripts, leading{s.stores.queue, g}
	}
	for _, d := range g.cfg.Local() {
		if d.Postmaster == "" {
			continue
		}
		name, err := smtp.ASCIIDomain(strings.TrimPrefix(d.Name, "*."))
		if err != nil {
			return g.cfg.Errorf(d.Position(), "%s: %v", d.Name, err)
		}
		deps.Postmasters[name] = d.Postmaster
	}
	g.lda, err = lda.New(g.cfg.Mailboxes.Delivery, deps)
	return err
}

// localRoute returns the route of mail that a delivery here sends, and whether
// it leads back here.
func (g *generation) localRoute(to smtp.Address) (string, bool) {
	key := g.routeOf(smtp.ForwardPath{Address: to})
	return key, g.local[key]
}

// leading queues what a delivery here sends, for whom its addresses lead to.
type leading struct {
	queue *queue.Queue
	g     *generation
}

// Submit implements lda.Queue.
func (l leading) Submit(ctx context.Context, c *gateway.Copy, _ string) error {
	var rcpts []gateway.Recipient
	for _, r := range c.Rcpts {
		list, err := l.g.leads(ctx, r.To.Address)
		if err != nil {
			return err
		}
		for _, x := range list {
			x.Params = r.Params
			rcpts = append(rcpts, x)
		}
	}
	c.Rcpts = rcpts
	return l.queue.Submit(ctx, c, "")
}

// localTransport brings what the queue has for us into mailboxes.
func (g *generation) localTransport() queue.Transport { return queue.FromFinal(g.lda.Delivery) }
