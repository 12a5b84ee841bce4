package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// backend is one server of a group: its pool, its health, and what it offers.
type backend struct {
	target   *Target
	pool     pool
	log      *slog.Logger
	metrics  *Metrics
	count    counters // of connections
	failures int      // in a row, until it counts as down

	offers atomic.Pointer[offer]

	mu      sync.Mutex
	failed  int // failures in a row
	until   time.Time
	leased  bool // somebody tries it although it counts as down
	lastErr error
}

// offer is what the backend said to EHLO last.
type offer struct {
	smtpc.Extensions
	secure bool
}

// backoff bounds how long a backend that failed is passed over.
const (
	minBackoff = time.Second
	maxBackoff = time.Minute
)

func newBackend(t *Target, opt *Options, cfg *tls.Config, deps *Deps) *backend {
	b := &backend{target: t, log: deps.Log, metrics: deps.Metrics, count: deps.Metrics.backend(t.url), failures: opt.Failures}
	copt := smtpc.Options{
		Hello: deps.Hello, LMTP: t.LMTP, TLS: t.TLS, TLSConfig: cfg, Dialer: deps.Dialer, NoChunking: opt.NoChunking,
		Timeouts: smtpc.Timeouts{
			Connect: opt.ConnectTimeout, TLS: opt.ConnectTimeout + 5*time.Second,
			Greeting: 30 * time.Second, Command: 30 * time.Second, Mail: 30 * time.Second, Rcpt: 30 * time.Second,
			DataInit: time.Minute, DataBlock: time.Minute, DataDone: 5 * time.Minute,
		},
	}
	if t.User != "" {
		copt.Auth = &smtpc.Auth{User: t.User, Password: t.Pass}
	}
	b.pool = pool{
		max: opt.Connections, idle: opt.Idle, idleTime: opt.IdleTime, messages: opt.Messages, wait: opt.Wait,
		count: b.count.inc,
		dial: func(ctx context.Context) (*smtpc.Client, error) {
			c, err := smtpc.Dial(ctx, t.Network, t.Address, copt)
			if err == nil {
				b.offers.Store(&offer{*c.Extensions(), c.TLS() != nil})
			}
			return c, err
		},
	}
	b.metrics.isUp(t.url, true)
	return b
}

// run gives f a connection, and a new one if the first was kept and turns out
// to be dead. f tells whether the matter is decided; if not, its error says
// why. The connection is given back, or closed after an error.
func (b *backend) run(ctx context.Context, f func(*conn) (decided bool, err error)) (bool, error) {
	for fresh := false; ; fresh = true {
		c, err := b.pool.get(ctx, fresh)
		if err != nil {
			b.fail(ctx, err)
			return false, err
		}
		decided, err := f(c)
		if err == nil {
			b.pool.put(c)
			b.succeed()
			return decided, nil
		}
		b.pool.discard(c)
		if decided {
			return true, err
		}
		if !c.reused || fresh || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			b.fail(ctx, err)
			return false, err
		}
		b.count.inc("dead")
	}
}

// fail notes that the backend could not be used.
func (b *backend) fail(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, errBusy) || errors.Is(err, errClosed) {
		return // says nothing about the backend
	}
	b.mu.Lock()
	b.lastErr = err
	if time.Now().Before(b.until) && !b.leased {
		b.mu.Unlock()
		return // one of many who found out at the same time
	}
	b.leased = false
	b.failed++
	n := b.failed - b.failures
	var wait time.Duration
	if n >= 0 {
		wait = maxBackoff
		if n < 6 {
			wait = min(minBackoff<<n, maxBackoff)
		}
		wait += rand.N(wait / 4)
		b.until = time.Now().Add(wait)
	}
	b.mu.Unlock()
	b.metrics.isUp(b.target.url, false)
	b.log.Warn("backend failed", "backend", b.target.url, "error", err.Error(), "retry_in", wait.Round(time.Millisecond).Seconds())
}

// succeed notes that the backend works.
func (b *backend) succeed() {
	b.mu.Lock()
	was := b.failed
	b.failed, b.until, b.leased, b.lastErr = 0, time.Time{}, false, nil
	b.mu.Unlock()
	if was > 0 {
		b.metrics.isUp(b.target.url, true)
		b.log.Info("backend works again", "backend", b.target.url)
	}
}

// candidate tells whether the backend is to be tried, and when it will be
// otherwise. The first who asks when the time is over tries it; others pass it
// over until that has failed or gone well.
func (b *backend) candidate(now time.Time, lease time.Duration) (bool, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return true, now
	}
	if now.Before(b.until) {
		return false, b.until
	}
	b.until, b.leased = now.Add(lease), true
	return true, now
}

// unknown tells whether the backend is to be probed: it was never spoken to, or
// is down, and nobody else is to find out.
func (b *backend) unknown(now time.Time, lease time.Duration) bool {
	b.mu.Lock()
	up := b.until.IsZero()
	b.mu.Unlock()
	if up {
		return b.offers.Load() == nil
	}
	due, _ := b.candidate(now, lease)
	return due
}

// refuses tells what keeps the backend, as it was when it was last spoken to,
// from taking the recipient.
func (b *backend) refuses(from smtp.ReversePath, p smtp.MailParams, to smtp.ForwardPath) smtp.Reply {
	o := b.offers.Load()
	if o == nil {
		return smtp.Reply{}
	}
	if r := o.CheckMail(from, p, o.secure); !r.IsZero() {
		return r
	}
	return o.CheckRcpt(to)
}
