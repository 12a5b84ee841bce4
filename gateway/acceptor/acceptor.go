// Package acceptor is what servers of line protocols have in common: it
// accepts connections within bounds, reads PROXY headers, does the TLS
// handshake, and gives each connection to a Protocol as a Conn, which reads
// and writes with few system calls and holds no buffers while it waits.
package acceptor

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/crew"
)

// ErrServerClosed is returned by Serve after Shutdown.
var ErrServerClosed = errors.New("acceptor: server closed")

// Protocol is what a Server speaks.
type Protocol interface {
	// Talk speaks with a client, from the greeting on, until one of both has
	// enough; then the Conn is closed, after what is queued has been sent. A
	// panic costs the connection and nothing else.
	Talk(c *Conn)
	// Farewell is what a client hears whose connection ends for a reason of
	// the Server's; empty: nothing.
	Farewell(r Reason) []byte
}

// Reason is why a Server ends a connection.
type Reason int

// The reasons.
const (
	Full        Reason = iota // too many connections in all
	FullNetwork               // too many connections from the client's network
	Early                     // the client spoke before the greeting
	Failed                    // the Protocol panicked
)

// Limits bound the connections of a server. Zero fields have their defaults.
type Limits struct {
	// TLSTimeout bounds the TLS handshake, and the PROXY header. Default 30s.
	TLSTimeout time.Duration `yaml:"tls_timeout"`
	// WriteTimeout is how long the client may take to accept replies. Default
	// 1m.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// Connections at the same time; more are refused. Default 20000; negative:
	// none.
	Connections int `yaml:"connections"`
	// ConnectionsPerIP at the same time from one IPv4 address or one IPv6
	// /64; more are refused. Default 200; negative: none.
	ConnectionsPerIP int `yaml:"connections_per_ip"`
}

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{TLSTimeout: 30 * time.Second, WriteTimeout: time.Minute, Connections: 20000, ConnectionsPerIP: 200}
}

// WithDefaults returns l with the defaults where it has zero.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits()
	if l.TLSTimeout == 0 {
		l.TLSTimeout = d.TLSTimeout
	}
	if l.WriteTimeout == 0 {
		l.WriteTimeout = d.WriteTimeout
	}
	if l.Connections == 0 {
		l.Connections = d.Connections
	}
	if l.ConnectionsPerIP == 0 {
		l.ConnectionsPerIP = d.ConnectionsPerIP
	}
	return l
}

// Validate tells what is wrong with the limits.
func (l Limits) Validate() error {
	if l.TLSTimeout < 0 || l.WriteTimeout < 0 {
		return errors.New("tls_timeout and write_timeout must be positive")
	}
	return nil
}

// Options say how a Server accepts.
type Options struct {
	Listener    string         // its name in the log and in metrics: smtp, imaps, ...
	TLS         *tls.Config    // for ImplicitTLS and Conn.StartTLS; may be nil
	ImplicitTLS bool           // TLS begins with the connection
	ProxyFrom   []netip.Prefix // peers that must begin with a PROXY header, version 1 or 2
	EarlyTalker time.Duration  // how long the greeting waits to see whether the client talks first; 0: not
	Limits      Limits
	Connections *Connections // counts across servers; nil: this one counts by itself, by Limits
	Logger      *slog.Logger // nil: nothing is logged
	Metrics     *Metrics     // nil: nothing is counted
}

func (o Options) prepare() (*Options, error) {
	if o.ImplicitTLS && o.TLS == nil {
		return nil, errors.New("acceptor: implicit TLS without TLS")
	}
	if o.EarlyTalker < 0 {
		return nil, errors.New("acceptor: early_talker must be positive")
	}
	if err := o.Limits.Validate(); err != nil {
		return nil, err
	}
	o.Limits = o.Limits.WithDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &o, nil
}

// Server serves connections of one protocol.
type Server struct {
	set   atomic.Pointer[Options]
	proto Protocol
	conns *Connections
	own   bool // conns is nobody else's
	count *counters

	base   context.Context
	cancel context.CancelFunc
	drain  atomic.Bool
	stop   atomic.Bool

	crew      crew.Crew
	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	open      map[*Conn]struct{}
	wg        sync.WaitGroup
}

// New returns a Server that speaks p.
func New(opt Options, p Protocol) (*Server, error) {
	set, err := opt.prepare()
	if err != nil {
		return nil, err
	}
	s := &Server{proto: p, conns: opt.Connections, listeners: make(map[net.Listener]struct{}), open: make(map[*Conn]struct{})}
	if s.conns == nil {
		s.own = true
		s.conns = NewConnections(set.Limits.Connections, set.Limits.ConnectionsPerIP)
	}
	s.count = opt.Metrics.of(opt.Listener)
	s.base, s.cancel = context.WithCancel(context.Background())
	s.set.Store(set)
	return s, nil
}

// Reconfigure makes new connections use opt; those that are open keep what
// they began with. Listener, Connections and Metrics stay as they were.
func (s *Server) Reconfigure(opt Options) error {
	opt.Listener = s.set.Load().Listener
	set, err := opt.prepare()
	if err != nil {
		return err
	}
	if s.own {
		s.conns.SetLimits(set.Limits.Connections, set.Limits.ConnectionsPerIP)
	}
	s.set.Store(set)
	return nil
}

// Serve accepts connections from l until it is closed or the server shuts
// down. It closes l. A server may serve several listeners; closing one from
// outside ends its Serve with the listener's error and no connection.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.Draining() {
		s.mu.Unlock()
		l.Close()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	s.crew.Enter()
	defer s.crew.Leave()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		l.Close()
	}()
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.begin(nc)
			continue
		}
		if s.Draining() {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of file descriptors, or the client has gone: go on.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.set.Load().Logger.Error("accept failed", slog.Any("error", err))
		select {
		case <-s.base.Done():
			return ErrServerClosed
		case <-time.After(pause):
		}
	}
}

// begin serves nc in a goroutine of its own, if there is room.
func (s *Server) begin(nc net.Conn) {
	if c := s.newConn(nc); c != nil {
		s.crew.Go(func() { s.serve(c) })
	}
}

// ServeConn serves one connection that was accepted elsewhere and returns
// when it has ended.
func (s *Server) ServeConn(nc net.Conn) {
	if c := s.newConn(nc); c != nil {
		s.serve(c)
	}
}

// newConn registers a connection; nil, and nc is closed, when there is no room
// or the server is shutting down.
func (s *Server) newConn(nc net.Conn) *Conn {
	set := s.set.Load()
	if !s.conns.add() {
		s.count.began("refused")
		s.refuse(nc, set, Full)
		return nil
	}
	c := &Conn{srv: s, set: set, raw: nc}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Draining() {
		s.conns.remove()
		nc.Close()
		return nil
	}
	s.open[c] = struct{}{}
	s.wg.Add(1)
	return c
}

func (s *Server) serve(c *Conn) {
	defer s.wg.Done()
	defer s.conns.remove()
	c.serve()
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
}

// refuse answers and closes a connection that is not served. Inside TLS that
// has not begun there is nothing to say it with.
func (s *Server) refuse(nc net.Conn, set *Options, r Reason) {
	defer nc.Close()
	if set.ImplicitTLS {
		return
	}
	if nc.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		nc.Write(s.proto.Farewell(r))
	}
}

// Draining tells whether Shutdown has begun.
func (s *Server) Draining() bool { return s.drain.Load() }

// Stopped tells whether the connections are being cut short.
func (s *Server) Stopped() bool { return s.stop.Load() }

// End closes the connections of a user (Conn.LogIn), who is gone or may not be
// served any more, and returns how many there were. It does not wait for them.
func (s *Server) End(user string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if user != "" && slices.Contains(c.users, user) {
			c.cancel()
			c.raw.Close()
			n++
		}
	}
	return n
}

// Users adds the users who have logged in and are still connected.
func (s *Server) Users(to map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		for _, u := range c.users {
			to[u] = true
		}
	}
	delete(to, "")
}

// Shutdown closes the listeners and waits for the connections. Those that
// wait and are not busy (Conn.Wait) are told at once, others when they are
// busy no more. When ctx ends the rest are cut short: their contexts end, and
// Shutdown returns ctx's error after they have.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.drain.Store(true)
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.open {
		c.nudge()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.stop.Store(true)
	s.cancel()
	s.mu.Lock()
	for c := range s.open {
		c.cut()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}
