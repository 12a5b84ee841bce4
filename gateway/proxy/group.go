package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Group is the backends of one domain of the configuration. Its methods may be
// called at any time from anywhere.
type Group struct {
	name     string
	opt      Options
	backends []*backend
	log      *slog.Logger
	count    groupCounts
	turn     atomic.Uint32 // round-robin

	answers *answers
	flights singleflight.Group
	ctx     context.Context // of questions, which outlive who asked first
	cancel  context.CancelFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup // questions
}

// New checks opt and makes a group; name is the domain's key, for logs. It
// connects to nothing yet.
func New(name string, opt Options, deps Deps) (*Group, error) {
	opt = opt.withDefaults()
	if err := opt.check(); err != nil {
		return nil, err
	}
	cfg, err := opt.TLS.config()
	if err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	deps.Log = deps.Log.With("route", name)
	g := &Group{name: name, opt: opt, log: deps.Log, count: deps.Metrics.group(name), answers: newAnswers(opt.Remember)}
	for _, s := range opt.Backends {
		t, err := ParseURL(s)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		g.backends = append(g.backends, newBackend(t, &opt, named(cfg, t), &deps))
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g, nil
}

// named is cfg for the certificate of t.
func named(cfg *tls.Config, t *Target) *tls.Config {
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = t.Host
	}
	return cfg
}

// Close gives up questions under way, closes connections at rest and waits for
// both. Hand-overs that still run end in their own time and close theirs.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	var wg sync.WaitGroup
	for _, b := range g.backends {
		wg.Go(b.pool.close)
	}
	wg.Wait()
	g.wg.Wait()
}

// enter lets a question begin unless the group is closed.
func (g *Group) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Add(1)
	return true
}

// candidates appends the backends in the order in which they are to be tried:
// in the configured or in turn those that work; if there is none, the one that
// is to be tried next anyway.
func (g *Group) candidates(list []*backend) []*backend {
	n, first := len(g.backends), 0
	if g.opt.Balance == "round-robin" {
		first = int((g.turn.Add(1) - 1) % uint32(n))
	}
	now := time.Now()
	var next *backend
	var soonest time.Time
	for i := range n {
		b := g.backends[(first+i)%n]
		ok, at := b.candidate(now, g.opt.ConnectTimeout)
		if ok {
			list = append(list, b)
		} else if next == nil || at.Before(soonest) {
			next, soonest = b, at
		}
	}
	if len(list) == 0 {
		list = append(list, next)
	}
	return list
}

// errRefused: no backend offers what is needed.
type errRefused struct{ reply smtp.Reply }

func (e *errRefused) Error() string { return e.reply.Error() }

// each runs f on backend after backend until the matter is decided; see
// backend.run. refuses says which backends need not be asked. The error is nil
// when it was decided without one.
func (g *Group) each(ctx context.Context, refuses func(*backend) smtp.Reply, f func(*conn) (bool, error)) error {
	var room [8]*backend
	var failed, refused error
	for _, b := range g.candidates(room[:0]) {
		if r := refuses(b); !r.IsZero() {
			refused = &errRefused{r}
			continue
		}
		decided, err := b.run(ctx, f)
		if decided || ctx.Err() != nil {
			return err
		}
		if e := (*errRefused)(nil); errors.As(err, &e) {
			refused = err
		} else if err != nil {
			failed = err
		}
	}
	if failed != nil {
		return failed // it might have taken it
	}
	return refused
}
