package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/bounce"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/lda"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/mailauth/rsa2048"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/outbound"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/policy"
)

// generation is everything that one version of the configuration made. A
// connection keeps the generation that it began with.
type generation struct {
	cfg        *config.Config
	tls        *tls.Config
	shown      func(name string, connected time.Time) []byte // which certificate a client has seen
	policy     *policy.Policy
	handler    *inbound.Handler
	groups     map[string]*proxy.Group
	routes     *route.Table
	queued     map[string]bool // routes whose mail is queued
	local      map[string]bool // routes whose mail is kept here
	lda        *lda.LDA
	accounts   smtpAccounts
	forget     []func() // what is remembered of accounts
	transports map[string]queue.Transport
	out        *outbound.Transport // the way to other servers
	bounces    *bounce.Bounces
	closers    []func()
	stores     func(context.Context) bool // whether mail can be queued; nil: it can

	dsn, requireTLS bool // every backend honours it
}

// judge is the part of a generation that judges: filters and policy.
type judge struct {
	pipeline *pipeline.Pipeline
	steps    []pipeline.Step
	policy   *policy.Policy
}

// build makes a generation of cfg; after an error nothing is left of it.
func (s *server) build(cfg *config.Config) (_ *generation, err error) {
	g := &generation{cfg: cfg, groups: map[string]*proxy.Group{}, stores: s.stores.queue.Ready}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	certs, err := openCerts(cfg, s.log)
	if err != nil {
		return nil, err
	}
	g.tls = &tls.Config{GetCertificate: certs.GetCertificate, MinVersion: tls.VersionTLS12}
	g.shown = certs.Shown
	// Before anything that sends reports runs.
	g.accounts = newSMTPAccounts(s.accounts, certs.Shown)
	g.forget = append(g.forget, g.accounts.may.forget, g.accounts.targets.forget)
	resolver, closeResolver, err := openResolver(cfg, s.dns)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, closeResolver)
	spool := filepath.Join(cfg.Data, "spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return nil, err
	}
	bodies := body.Options{Memory: cfg.Limits.BodyMemory, Dir: spool, Budget: s.budget}
	j, err := newJudge(cfg, resolver, bodies, s)
	if err != nil {
		return nil, err
	}
	g.policy = j.policy
	g.closers = append(g.closers, j.close)
	backends, err := g.openRoutes(s)
	if err != nil {
		return nil, err
	}
	if err := s.returns.RotateOld(context.Background(), returnKeyAge); err != nil {
		return nil, err
	}
	if err := g.openBounces(s); err != nil {
		return nil, err
	}
	if err := g.openTransports(s, resolver); err != nil {
		return nil, err
	}
	sealer, err := newSealer(cfg, s.signatureFault)
	if err != nil {
		return nil, err
	}
	g.handler = inbound.New(inbound.Options{
		Hostname: cfg.Hostname, Relay: cfg.Networks.Relay, Hops: cfg.Limits.Hops,
		Header: message.HeaderLimits{Bytes: cfg.Limits.Header, Field: cfg.Limits.Field},
		Body:   bodies, RefuseEarly: cfg.SMTP.RefuseEarly, Routed: cfg.SMTP.RoutedRecipients, Sealer: sealer,
		Pipeline: j.pipeline, Routes: g.routes, Backends: backends, Queued: g.queued, Local: g.local, Queue: s.stores.queue, Log: s.log,
		Submission: cfg.Submission.Submission, Accounts: g.accounts, Aliases: g.accounts, Suppression: suppression{s.suppress}, Quota: quotas{s.quota}, Sent: s.spam.sent, Returns: returns{g.bounces}, Rewrite: g.bounces.Rewrite,
		Signer: signer{s.keys},
	})
	return g, nil
}

// newSealer reads the key that the filter arc seals with; nil where it does
// not. fault hears of seals that were wrong and are made anew.
func newSealer(cfg *config.Config, fault func(domain, selector string)) (*mailauth.Signer, error) {
	for _, f := range cfg.Filters {
		opt, ok := f.Options.(*arc.Options)
		if !ok || opt.Seal == nil {
			continue
		}
		pem, err := os.ReadFile(cfg.Path(opt.Seal.Key))
		if err != nil {
			return nil, cfg.Errorf(f.Position(), "arc: seal: %v", err)
		}
		key, err := mailauth.ParsePrivateKey(pem)
		if err != nil {
			return nil, cfg.Errorf(f.Position(), "arc: seal: %s: %v", opt.Seal.Key, err)
		}
		if opt.Seal.Domain == "" || opt.Seal.Selector == "" {
			return nil, cfg.Errorf(f.Position(), "arc: seal: needs domain, selector and key")
		}
		fast := rsa2048.Signer(key, func() { fault(opt.Seal.Domain, opt.Seal.Selector) })
		return &mailauth.Signer{Key: fast, Domain: opt.Seal.Domain, Selector: opt.Seal.Selector}, nil
	}
	return nil, nil
}

// openResolver opens the resolver that the configuration names, with its
// cache.
func openResolver(cfg *config.Config, m *dns.Metrics) (dns.Resolver, func(), error) {
	opt := cfg.DNS.Options
	opt.Metrics = m
	client, err := dns.NewClient(opt)
	if err != nil {
		return nil, nil, err
	}
	cache := dns.NewCache(client, dns.CacheOptions{Size: int(cfg.DNS.Cache), Metrics: m})
	return cache, cache.Close, nil
}

// newJudge makes filters, policy and pipeline.
func newJudge(cfg *config.Config, r dns.Resolver, bodies body.Options, s *server) (*judge, error) {
	steps, err := newSteps(cfg, r, bodies, s)
	if err != nil {
		return nil, err
	}
	j := &judge{steps: steps}
	if j.policy, err = loadPolicy(cfg, steps); err != nil {
		j.close()
		return nil, err
	}
	j.pipeline, err = pipeline.New(pipeline.Options{
		Steps: steps, Policy: j.policy, Parts: bodies, Log: s.log,
		Walk: slices.ContainsFunc(pipeline.WalkFacts(), j.policy.Uses),
	})
	var step *pipeline.StepError
	if errors.As(err, &step) {
		err = cfg.Errorf(cfg.Filters[step.Index].Position(), "%v", err)
	}
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// loadPolicy loads the configured policy, or the built-in one.
func loadPolicy(cfg *config.Config, steps []pipeline.Step) (*policy.Policy, error) {
	var filters []gateway.Filter
	for _, x := range steps {
		filters = append(filters, x.Filter)
	}
	fields, err := policyFields(filters...)
	if err != nil {
		return nil, err
	}
	env := policy.Env{Fields: fields, Lanes: cfg.Queue.LaneNames(), Pools: []string{}}
	for _, p := range cfg.Outbound.Pools {
		env.Pools = append(env.Pools, p.Name)
	}
	for _, d := range cfg.Domains {
		env.Routes = append(env.Routes, d.Name)
	}
	if len(cfg.Policy) == 0 {
		return policy.Parse([]policy.Source{policy.Default()}, env)
	}
	p, err := policy.Load(cfg.Policy, env)
	var missing *fs.PathError
	if errors.As(err, &missing) {
		return nil, cfg.Mistake(fmt.Sprintf("policy[%d]", slices.Index(cfg.Policy, missing.Path)), "a first one is printed by `gapura policy default`", "policy: %v", missing)
	}
	return p, err
}

// close ends filters that hold something.
func (j *judge) close() {
	for _, s := range j.steps {
		if c, ok := s.Filter.(interface{ Close() }); ok {
			c.Close()
		}
	}
}

// openRoutes opens the domains' backends and the table that leads to them.
func (g *generation) openRoutes(s *server) (map[string]inbound.Backend, error) {
	backends := map[string]inbound.Backend{}
	g.queued, g.local = map[string]bool{}, map[string]bool{}
	if err := g.openLocal(s); err != nil {
		return nil, err
	}
	var keys []string
	for _, d := range g.cfg.Domains {
		if keys = append(keys, d.Name); d.Deliver == "mailbox" {
			g.local[d.Name], backends[d.Name] = true, g.lda
			continue
		}
		group, err := proxy.New(d.Name, d.Options, proxy.Deps{Hello: g.cfg.Hostname, Log: s.log, Metrics: s.proxy})
		if err != nil {
			return nil, g.cfg.Errorf(d.Position(), "%s: %v", d.Name, err)
		}
		g.groups[d.Name] = group
		g.closers = append(g.closers, func() { group.Close() })
		backends[d.Name] = group
		g.queued[d.Name] = d.Deliver == "queue"
	}
	var err error
	g.routes, err = route.NewTable(keys)
	var key *route.KeyError
	if errors.As(err, &key) {
		err = g.cfg.Errorf(g.cfg.Domains[key.Index].Position(), "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return backends, nil
}

// smtpOptions are the options of a listener.
func (g *generation) smtpOptions(lc config.Listener, s *server) smtpd.Options {
	opt := g.cfg.SMTP.Options
	opt.Protocol, opt.Hostname, opt.TLS = lc.Protocol, g.cfg.Hostname, g.tls
	opt.DSN, opt.RequireTLS = g.dsn, g.requireTLS
	g.submissionOptions(&opt, lc, s)
	opt.ProxyFrom, opt.XClientFrom = lc.ProxyProtocol, lc.XClient
	opt.Limits.Message, opt.Limits.Recipients = g.cfg.Limits.Message, g.cfg.Limits.Recipients
	opt.Limits.Connections, opt.Limits.ConnectionsPerIP = g.cfg.Limits.Connections, g.cfg.Limits.ConnectionsPerIP
	opt.Connections, opt.Logger, opt.Metrics = s.conns, s.log, s.metrics
	return opt
}

// submissionOptions are those by which clients log in and submit.
func (g *generation) submissionOptions(opt *smtpd.Options, lc config.Listener, s *server) {
	submission := lc.Protocol == "submission" || lc.Protocol == "submissions"
	opt.Auth, opt.RequireAuth, opt.ImplicitTLS = lc.Auth || submission, submission, lc.Protocol == "submissions"
	if opt.Auth { // who logs in by a certificate must be asked for it
		opt.TLS = g.tls.Clone()
		opt.TLS.ClientAuth, opt.TLS.ClientCAs = s.accounts.ClientAuth()
	}
	if submission { // the queue can
		opt.DSN, opt.RequireTLS, opt.FutureRelease = true, true, g.cfg.Submission.FutureRelease
	}
	opt.Priority = opt.Auth || len(g.cfg.Networks.Relay) > 0 // strangers' counts for little
	opt.DeliverBy = opt.Priority
}

// handshakeTime is how long a replaced generation waits for connections that
// were accepted for it and have not been greeted: PROXY header, TLS handshake.
const handshakeTime = 30 * time.Second

// closeWhenIdle closes the generation when its last session has ended.
func (g *generation) closeWhenIdle() {
	time.Sleep(handshakeTime)
	g.handler.Wait()
	g.close()
}

// close ends everything that the generation opened.
func (g *generation) close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
	g.closers = nil
}
