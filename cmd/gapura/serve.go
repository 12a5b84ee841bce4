package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/bounce"
	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/cores"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/lda"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
	"github.com/gapura-mail/gapura/gateway/outbound"
	"github.com/gapura-mail/gapura/gateway/pop3d"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/quota"
	"github.com/gapura-mail/gapura/gateway/returnpath"
	"github.com/gapura-mail/gapura/gateway/sieved"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// serveCmd is `gapura serve`.
type serveCmd struct {
	Demo       bool   `help:"Run on embedded defaults: a whole mail system on loopback, in ./data."`
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

// hurryTime is how long the database may take for a transaction at shutdown.
const hurryTime = 10 * time.Second

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
	if err := makeData(cfg); err != nil {
		return err
	}
	level := &slog.LevelVar{}
	log := slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	s := &server{load: load, log: log, level: level, listeners: map[listenerKey]*listening{}, fatal: make(chan error, 16), demo: c.Demo}
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
	var frugal sync.WaitGroup
	ctx, cancel := context.WithCancel(a.ctx)
	frugal.Go(func() { tidy(ctx) })
	frugal.Go(func() { cores.Fit(ctx) })
	frugal.Go(func() { s.care(ctx) })
	defer func() { cancel(); frugal.Wait() }()
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
	mail      *mailboxes
	reserve   *sqldb.Reserve // for removing mail when the disk is full
	lda       *lda.Metrics
	imap      *imapd.Metrics
	pop3      *pop3d.Metrics

	managesieve *sieved.Metrics

	suppressMetrics *suppress.Metrics
	quotaMetrics    *quota.Metrics
	bounceMetrics   *bounce.Metrics
	mailboxMetrics  *mailbox.Metrics
	searchMetrics   *search.Metrics

	spam   spamState
	stores *stores

	queueMetrics *queue.Metrics
	faults       prometheus.Counter // signatures that were wrong
	listeners    map[listenerKey]*listening
	gen          atomic.Pointer[generation]
	fatal        chan error // a listener failed, or another gateway has had the database
	demo         bool
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
	if err := checkFiles(cfg); err != nil {
		return err
	}
	if s.budget == nil {
		s.budget = body.NewBudget(cfg.Limits.Memory, cfg.Limits.Spool)
		s.conns = smtpd.NewConnections(cfg.Limits.Connections, cfg.Limits.ConnectionsPerIP)
		s.register(prometheus.DefaultRegisterer)
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
	for _, w := range s.warnings(gen) {
		s.log.Warn("configuration", "at", w.Place(), "warning", w.Msg, "hint", w.Hint)
	}
	setAccounts()
	s.suppress.Reconfigure(cfg.Suppression)
	s.quota.Reconfigure(cfg.Quota)
	s.mail.configure(cfg)
	if err := s.spam.configure(context.Background(), cfg); err != nil {
		s.log.Error("spam: what was learned does not count", "error", err.Error())
	}
	old := s.gen.Swap(gen)
	s.stores.queue.Reconfigure(cfg.Queue, cfg.Hostname, gen.leads)
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
func (s *server) warnings(gen *generation) []config.Error {
	if s.demo {
		return nil
	}
	cfg := gen.cfg
	list, err := localWarnings(context.Background(), cfg, s.accounts)
	if err != nil {
		s.log.Error("accounts", "error", err.Error())
	}
	return slices.Concat(cfg.Warnings(), policyWarnings(cfg, gen.policy), keyWarnings(cfg), list)
}

// register makes the metrics of parts that do not register theirs themselves.
func (s *server) register(reg prometheus.Registerer) {
	s.auth, s.dns, s.proxy = account.NewMetrics(reg), dns.NewMetrics(reg), proxy.NewMetrics(reg)
	s.outbound, s.queueMetrics = outbound.NewMetrics(reg), queue.NewMetrics(reg)
	s.suppressMetrics, s.quotaMetrics, s.bounceMetrics = suppress.NewMetrics(reg), quota.NewMetrics(reg), bounce.NewMetrics(reg)
	s.metrics, s.imap, s.pop3, s.managesieve = smtpd.NewMetrics(reg), imapd.NewMetrics(reg), pop3d.NewMetrics(reg), sieved.NewMetrics(reg)
	s.lda, s.mailboxMetrics, s.searchMetrics = lda.NewMetrics(reg), mailbox.NewMetrics(reg), search.NewMetrics(reg)
	s.spam.metrics, s.spam.counts = spam.NewMetrics(reg), learned.NewMetrics(reg)
	s.faults = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gapura_signature_faults_total",
		Help: "RSA signatures that were found wrong before they left and were made anew: of a processor, or memory, that fails.",
	})
	reg.MustRegister(s.faults)
	gauge := func(name, help string, get func() int64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(get()) }))
	}
	gauge("gapura_message_memory_bytes", "Memory that all messages together take; limits.memory bounds it.", s.budget.Memory)
	gauge("gapura_message_spool_bytes", "Spool that all messages together take; limits.spool bounds it.", s.budget.Spool)
}

// close drains everything and closes the generation.
func (s *server) close() {
	s.reloading.Lock()
	s.closing = true
	s.reloading.Unlock()
	if s.db != nil {
		s.db.Hurry(hurryTime)
	}
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
	certs, err := cert.Open(opt)
	if err != nil && opt.Mode == cert.ModeFiles {
		return nil, cfg.Mistake("tls.certificate", "", "%v", err)
	}
	return certs, err
}
