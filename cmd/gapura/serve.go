package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/bounce"
	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/quota"
	"github.com/gapura-mail/gapura/gateway/returnpath"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// serveCmd is `gapura serve`.
type serveCmd struct {
	Demo       bool   `help:"Run on embedded defaults: loopback, ./data, a sink behind it."`
	CPUProfile string `name:"cpu-profile" hidden:"" help:"Write a CPU profile here (pprof)."`
}

// Help is the long help.
func (*serveCmd) Help() string {
	return `Runs the gateway until SIGTERM. SIGHUP or gapura reload swaps in a changed
configuration and policy whole, or keeps the old one and logs why.

Example:
  gapura -c /etc/gapura/gapura.yaml serve`
}

// drainTime is how long open connections may take to end at shutdown.
const drainTime = 30 * time.Second

// Run implements the command: all of the wiring, top to bottom.
func (c *serveCmd) Run(a *app) error {
	load := func() (*config.Config, error) { return config.Load(a.config) }
	if c.Demo {
		load = demoConfig
	}
	if c.CPUProfile != "" {
		f, err := os.Create(c.CPUProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return err
	}
	level := &slog.LevelVar{}
	log := slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	s := &server{load: load, log: log, level: level, listeners: map[listenerKey]*listening{}, fatal: make(chan error, 16), demo: c.Demo}
	if c.Demo {
		if err := s.startDemo(a, cfg); err != nil {
			return err
		}
	}
	if err := s.apply(cfg); err != nil {
		s.close()
		return err
	}
	defer s.close()
	if c.Demo {
		if err := s.tellDemo(a, cfg); err != nil {
			return err
		}
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	control, err := s.openControl(filepath.Join(cfg.Data, "control.sock"))
	if err != nil {
		return err
	}
	defer control.Close()
	log.Info("ready", "version", version(), "hostname", cfg.Hostname)
	for {
		select {
		case <-a.ctx.Done():
			log.Info("shutting down")
			return nil
		case err := <-s.fatal:
			return err
		case <-hup:
			s.reload()
		}
	}
}

// server is the running gateway: what outlives a reload, and the generation
// that serves new connections.
type server struct {
	load  func() (*config.Config, error)
	log   *slog.Logger
	level *slog.LevelVar

	reloading sync.Mutex // one reload at a time
	closing   bool       // no reload any more
	budget    *body.Budget
	conns     *smtpd.Connections
	metrics   *smtpd.Metrics
	dns       *dns.Metrics
	proxy     *proxy.Metrics
	auth      *account.Metrics
	db        *sqldb.DB
	opened    openedState
	accounts  *account.Accounts
	keys      *signing.Keys
	outbound  *outbound.Metrics
	suppress  *suppress.List
	quota     *quota.Quota
	returns   *returnpath.Store

	suppressMetrics *suppress.Metrics
	quotaMetrics    *quota.Metrics
	bounceMetrics   *bounce.Metrics

	stores *stores

	queueMetrics *queue.Metrics
	listeners    map[listenerKey]*listening
	gen          atomic.Pointer[generation]
	fatal        chan error // a listener failed
	demo         bool
}

// listenerKey tells listeners apart over a reload.
type listenerKey struct{ protocol, address string }

// listening is an open listener and what serves it.
type listening struct {
	addr net.Addr
	smtp *smtpd.Server
	http *http.Server
}

// gcPercent trades memory for time: the live heap is small beside the bodies'
// chunks, which are pooled, so the default would collect all the time.
const gcPercent = 400

// tuneGC keeps the heap within what bodies may use and a margin. GOGC and
// GOMEMLIMIT in the environment win.
func tuneGC(cfg *config.Config) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(cfg.Limits.Memory + 512<<20)
	}
}

// apply makes cfg the configuration of all new connections, or changes
// nothing.
func (s *server) apply(cfg *config.Config) error {
	if s.budget == nil {
		s.budget = body.NewBudget(cfg.Limits.Memory, cfg.Limits.Spool)
		s.conns = smtpd.NewConnections(cfg.Limits.Connections, cfg.Limits.ConnectionsPerIP)
		if err := s.register(prometheus.DefaultRegisterer); err != nil {
			return err
		}
	}
	setAccounts, err := s.openState(cfg)
	if err != nil {
		return err
	}
	gen, err := s.build(cfg)
	if err != nil {
		return err
	}
	opened, err := s.openMissing(cfg, gen)
	if err != nil {
		gen.close()
		return err
	}
	for _, w := range s.warnings(cfg) {
		s.log.Warn("configuration", "at", w.Place(), "warning", w.Msg)
	}
	setAccounts()
	s.suppress.Reconfigure(cfg.Suppression)
	s.quota.Reconfigure(cfg.Quota)
	old := s.gen.Swap(gen)
	s.stores.queue.Reconfigure(cfg.Queue, cfg.Hostname, gen.routeOf)
	s.stores.queue.SetTransports(gen.transports)
	s.level.UnmarshalText([]byte(cfg.Log.Level))
	tuneGC(cfg)
	s.budget.SetLimits(cfg.Limits.Memory, cfg.Limits.Spool)
	s.conns.SetLimits(cfg.Limits.Connections, cfg.Limits.ConnectionsPerIP)
	s.closeUnwanted(cfg)
	for _, start := range opened {
		start()
	}
	ctx, cancel := context.WithCancel(context.Background())
	gen.closers = append(gen.closers, cancel)
	go s.probe(ctx, gen)
	if old != nil {
		go old.closeWhenIdle()
	}
	return nil
}

// warnings are what config check warns of; the demo needs no advice.
func (s *server) warnings(cfg *config.Config) []config.Error {
	if s.demo {
		return nil
	}
	return cfg.Warnings()
}

// register makes the metrics of parts that do not register theirs themselves.
func (s *server) register(reg prometheus.Registerer) (err error) {
	auth, err := account.NewMetrics(reg)
	if err != nil {
		return err
	}
	s.auth = auth
	s.dns, s.proxy = dns.NewMetrics(reg), proxy.NewMetrics(reg)
	s.outbound, s.queueMetrics = outbound.NewMetrics(reg), queue.NewMetrics(reg)
	gauge := func(name, help string, get func() int64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(get()) }))
	}
	if s.suppressMetrics, err = suppress.NewMetrics(reg); err != nil {
		return err
	}
	if s.quotaMetrics, err = quota.NewMetrics(reg); err != nil {
		return err
	}
	if s.bounceMetrics, err = bounce.NewMetrics(reg); err != nil {
		return err
	}
	s.metrics, err = smtpd.NewMetrics(reg)
	return errors.Join(err,
		gauge("gapura_message_memory_bytes", "Memory that all messages together take; limits.memory bounds it.", s.budget.Memory),
		gauge("gapura_message_spool_bytes", "Spool that all messages together take; limits.spool bounds it.", s.budget.Spool))
}

// openMissing opens the listeners that are not open yet and reconfigures the
// others. Nothing is served before the returned functions are called; after
// an error nothing has changed.
func (s *server) openMissing(cfg *config.Config, gen *generation) (start []func(), err error) {
	var undo []func()
	defer func() {
		if err != nil {
			for _, f := range undo {
				f()
			}
		}
	}()
	for _, lc := range cfg.Listeners {
		key := listenerKey{lc.Protocol, lc.Address}
		if l := s.listeners[key]; l != nil {
			if l.smtp != nil { // what it would refuse must not be found out half-way
				if _, err := smtpd.New(gen.smtpOptions(lc, s), gen.handler); err != nil {
					return nil, fmt.Errorf("%s %s: %w", lc.Protocol, lc.Address, err)
				}
			}
			start = append(start, func() { s.reconfigure(l, lc, gen) })
			continue
		}
		nl, err := listen(lc.Address, lc.FileMode())
		if err != nil {
			return nil, fmt.Errorf("cannot listen: %w%s", err, portHint(err))
		}
		undo = append(undo, func() { nl.Close() })
		l := &listening{addr: nl.Addr()}
		var serve func() error
		if lc.Protocol == "http" {
			l.http = &http.Server{Handler: s.httpHandler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
			serve = func() error { return l.http.Serve(nl) }
		} else {
			if l.smtp, err = smtpd.New(gen.smtpOptions(lc, s), gen.handler); err != nil {
				return nil, err
			}
			serve = func() error { return l.smtp.Serve(nl) }
		}
		start = append(start, func() {
			s.listeners[key] = l
			s.log.Info("listening", "protocol", lc.Protocol, "address", nl.Addr().String())
			go func() {
				if err := serve(); err != nil && !errors.Is(err, smtpd.ErrServerClosed) && !errors.Is(err, http.ErrServerClosed) {
					s.fatal <- fmt.Errorf("%s %s: %w", lc.Protocol, lc.Address, err)
				}
			}()
		})
	}
	return start, nil
}

func (s *server) reconfigure(l *listening, lc config.Listener, gen *generation) {
	if path, ok := strings.CutPrefix(lc.Address, "unix:"); ok {
		if err := os.Chmod(path, lc.FileMode()); err != nil {
			s.log.Error("listener keeps its mode", "address", lc.Address, "error", err.Error())
		}
	}
	if l.smtp == nil {
		return
	}
	if err := l.smtp.Reconfigure(gen.smtpOptions(lc, s), gen.handler); err != nil {
		s.log.Error("listener keeps its old configuration", "address", lc.Address, "error", err.Error())
	}
}

// portHint helps with the commonest reason.
func portHint(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return " (ports below 1024 need CAP_NET_BIND_SERVICE: see deploy/gapura.service)"
	}
	return ""
}

// closeUnwanted drains the listeners that cfg does not name any more.
func (s *server) closeUnwanted(cfg *config.Config) {
	wanted := map[listenerKey]bool{}
	for _, lc := range cfg.Listeners {
		wanted[listenerKey{lc.Protocol, lc.Address}] = true
	}
	for key, l := range s.listeners {
		if !wanted[key] {
			delete(s.listeners, key)
			go l.shutdown()
		}
	}
}

// shutdown says 421 to open connections at their next idle point and waits
// for them.
func (l *listening) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if l.smtp != nil {
		l.smtp.Shutdown(ctx)
	}
	if l.http != nil {
		l.http.Shutdown(ctx)
	}
}

// close drains everything and closes the generation.
func (s *server) close() {
	s.reloading.Lock()
	s.closing = true
	s.reloading.Unlock()
	done := make(chan struct{})
	for _, l := range s.listeners {
		go func() { l.shutdown(); done <- struct{}{} }()
	}
	for range s.listeners {
		<-done
	}
	if s.quota != nil {
		if err := s.quota.Close(); err != nil {
			s.log.Error("quota", "error", err.Error())
		}
	}
	s.closeQueue()
	if gen := s.gen.Load(); gen != nil {
		gen.close()
	}
	s.closeStores()
	s.closeState()
}

// reload swaps in the configuration as it is now in its file.
func (s *server) reload() error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.closing {
		return errors.New("shutting down")
	}
	cfg, err := s.load()
	if err == nil {
		err = s.apply(cfg)
	}
	if err != nil {
		s.log.Error("reload failed; the old configuration stays", "error", err.Error())
		return err
	}
	s.log.Info("reloaded")
	return nil
}

// openCerts opens the certificates of the listeners.
func openCerts(cfg *config.Config, log *slog.Logger) (*cert.Store, error) {
	opt := cfg.TLS.Options
	opt.Hostname, opt.Dir, opt.Log = cfg.Hostname, filepath.Join(cfg.Data, "cert"), log
	return cert.Open(opt)
}
