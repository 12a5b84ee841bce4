package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/pop3d"
	"github.com/gapura-mail/gapura/gateway/sieved"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// listenerKey tells listeners apart over a reload.
type listenerKey struct{ protocol, address string }

// listening is an open listener and what serves it.
type listening struct {
	addr    net.Addr
	service service
}

// service speaks one protocol to clients.
type service interface {
	Serve(l net.Listener) error
	// Shutdown tells open connections to end at their next idle point, and
	// waits for them.
	Shutdown(ctx context.Context) error
	// configure makes new connections go by a generation.
	configure(lc config.Listener, gen *generation, s *server) error
	// End closes the connections of a user and counts them.
	End(user string) int
	// Users adds who has logged in.
	Users(to map[string]bool)
}

// newService makes what a listener needs.
func (s *server) newService(lc config.Listener, gen *generation) (service, error) {
	switch lc.Protocol {
	case "http", "https":
		return s.newHTTP(lc), nil
	case "imap", "imaps":
		srv, err := imapd.New(gen.imapOptions(lc, s), imapd.Deps{Accounts: s.accounts, Store: s.mail.Store, Search: s.mail.search, Metrics: s.imap})
		return imapService{srv}, err
	case "pop3", "pop3s":
		srv, err := pop3d.New(gen.pop3Options(lc, s), pop3d.Deps{Accounts: s.accounts, Maildrops: pop3d.Mailboxes(s.mail.Store), Metrics: s.pop3})
		return pop3Service{srv}, err
	case "managesieve":
		srv, err := sieved.New(gen.sieveOptions(lc, s), sieved.Deps{Accounts: s.accounts, Users: sieved.Mailboxes(s.mail.Store), Metrics: s.managesieve})
		return sieveService{srv}, err
	}
	srv, err := smtpd.New(gen.smtpOptions(lc, s), gen.handler)
	return smtpService{srv}, err
}

type smtpService struct{ *smtpd.Server }

func (x smtpService) configure(lc config.Listener, gen *generation, s *server) error {
	return x.Reconfigure(gen.smtpOptions(lc, s), gen.handler)
}

type imapService struct{ *imapd.Server }

func (x imapService) configure(lc config.Listener, gen *generation, s *server) error {
	return x.Reconfigure(gen.imapOptions(lc, s))
}

type pop3Service struct{ *pop3d.Server }

func (x pop3Service) configure(lc config.Listener, gen *generation, s *server) error {
	return x.Reconfigure(gen.pop3Options(lc, s))
}

type sieveService struct{ *sieved.Server }

func (x sieveService) configure(lc config.Listener, gen *generation, s *server) error {
	return x.Reconfigure(gen.sieveOptions(lc, s))
}

// httpService answers the same always: it asks for the generation each time.
type httpService struct{ *http.Server }

func (httpService) configure(config.Listener, *generation, *server) error { return nil }

// End implements service: nobody logs in.
func (httpService) End(string) int { return 0 }

// Users implements service.
func (httpService) Users(map[string]bool) {}

// Serve implements service.
func (x httpService) Serve(l net.Listener) error {
	if x.TLSConfig != nil {
		l = tls.NewListener(l, x.TLSConfig)
	}
	return x.Server.Serve(l)
}

// newHTTP serves numbers and health to the administrator, or to everybody what
// programs look for.
func (s *server) newHTTP(lc config.Listener) service {
	srv := &http.Server{Handler: s.httpHandler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if lc.Protocol == "https" {
		srv.Handler = s.publicHandler()
		srv.ReadTimeout, srv.WriteTimeout, srv.MaxHeaderBytes = 30*time.Second, 30*time.Second, 16<<10
		srv.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return s.gen.Load().tls.GetCertificate(h) },
		}
	}
	return httpService{srv}
}

// imapOptions are the options of a listener.
func (g *generation) imapOptions(lc config.Listener, s *server) imapd.Options {
	opt := g.cfg.IMAP
	opt.Listener, opt.Hostname, opt.Version = lc.Protocol, g.cfg.Hostname, version()
	opt.TLS, opt.ImplicitTLS, opt.ProxyFrom, opt.Logger = g.loginTLS(s), lc.Protocol == "imaps", lc.ProxyProtocol, s.log
	opt.Shown = g.shown
	return opt
}

// pop3Options are the options of a listener.
func (g *generation) pop3Options(lc config.Listener, s *server) pop3d.Options {
	opt := g.cfg.POP3
	opt.Listener, opt.Hostname = lc.Protocol, g.cfg.Hostname
	opt.TLS, opt.ImplicitTLS, opt.ProxyFrom, opt.Logger = g.loginTLS(s), lc.Protocol == "pop3s", lc.ProxyProtocol, s.log
	return opt
}

// sieveOptions are the options of a listener.
func (g *generation) sieveOptions(lc config.Listener, s *server) sieved.Options {
	opt := g.cfg.ManageSieve
	opt.Listener, opt.Hostname, opt.Sieve = lc.Protocol, g.cfg.Hostname, scriptOptions(g.cfg)
	opt.TLS, opt.ProxyFrom, opt.Logger = g.loginTLS(s), lc.ProxyProtocol, s.log
	return opt
}

// loginTLS is for clients who log in: who does so by a certificate must be
// asked for it.
func (g *generation) loginTLS(s *server) *tls.Config {
	c := g.tls.Clone()
	c.ClientAuth, c.ClientCAs = s.accounts.ClientAuth()
	return c
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
	for i, lc := range cfg.Listeners {
		key := listenerKey{lc.Protocol, lc.Address}
		if l := s.listeners[key]; l != nil {
			// What it would refuse must not be found out half-way.
			if _, err := s.newService(lc, gen); err != nil {
				return nil, fmt.Errorf("%s %s: %w", lc.Protocol, lc.Address, err)
			}
			start = append(start, func() { s.reconfigure(l, lc, gen) })
			continue
		}
		nl, err := listen(lc.Address, lc.FileMode())
		if err != nil {
			return nil, cfg.Mistake(fmt.Sprintf("listeners[%d].address", i), portHint(err), "cannot listen: %v", err)
		}
		undo = append(undo, func() { nl.Close() })
		srv, err := s.newService(lc, gen)
		if err != nil {
			return nil, err
		}
		start = append(start, func() { s.start(key, nl, srv) })
	}
	return start, nil
}

// start serves a listener.
func (s *server) start(key listenerKey, nl net.Listener, srv service) {
	s.listeners[key] = &listening{addr: nl.Addr(), service: srv}
	s.log.Info("listening", "protocol", key.protocol, "address", nl.Addr().String())
	go func() {
		err := srv.Serve(nl)
		if err != nil && !errors.Is(err, acceptor.ErrServerClosed) && !errors.Is(err, smtpd.ErrServerClosed) && !errors.Is(err, http.ErrServerClosed) {
			s.fatal <- fmt.Errorf("%s %s: %w", key.protocol, key.address, err)
		}
	}()
}

func (s *server) reconfigure(l *listening, lc config.Listener, gen *generation) {
	if path, ok := strings.CutPrefix(lc.Address, "unix:"); ok {
		if err := os.Chmod(path, lc.FileMode()); err != nil {
			s.log.Error("listener keeps its mode", "address", lc.Address, "error", err.Error())
		}
	}
	if err := l.service.configure(lc, gen, s); err != nil {
		s.log.Error("listener keeps its old configuration", "address", lc.Address, "error", err.Error())
	}
}

// portHint helps with the commonest reasons.
func portHint(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return "ports below 1024 need CAP_NET_BIND_SERVICE: see deploy/gapura.service"
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program, or another gateway, listens there: ss -ltnp tells which"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have the address: ip addr lists those it has"
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

// shutdown tells open connections to end and waits for them.
func (l *listening) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	l.service.Shutdown(ctx)
}
