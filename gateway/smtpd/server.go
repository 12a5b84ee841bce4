package smtpd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/crew"
)

// ErrServerClosed is returned by Serve after Shutdown.
var ErrServerClosed = errors.New("smtpd: server closed")

// Server serves connections of one protocol.
type Server struct {
	set   atomic.Pointer[settings]
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
	open      map[*conn]struct{}
	wg        sync.WaitGroup
}

// New returns a Server that asks h.
func New(opt Options, h Handler) (*Server, error) {
	set, err := prepare(opt, h)
	if err != nil {
		return nil, err
	}
	s := &Server{conns: opt.Connections, listeners: make(map[net.Listener]struct{}), open: make(map[*conn]struct{})}
	if s.conns == nil {
		s.own = true
		s.conns = NewConnections(set.Limits.Connections, set.Limits.ConnectionsPerIP)
	}
	s.count = opt.Metrics.of(opt.Protocol)
	s.base, s.cancel = context.WithCancel(context.Background())
	s.set.Store(set)
	return s, nil
}

// Reconfigure makes new connections use opt and h; those that are open keep
// what they began with. Protocol, Connections and Metrics stay as they were.
func (s *Server) Reconfigure(opt Options, h Handler) error {
	opt.Protocol = s.set.Load().Protocol
	set, err := prepare(opt, h)
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
	if s.draining() {
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
		if s.draining() {
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
	if !s.conns.add() {
		s.count.began("refused")
		refuse(nc, s.set.Load(), replyConnections)
		return
	}
	c := s.newConn(nc)
	if c == nil {
		s.conns.remove()
		nc.Close()
		return
	}
	s.crew.Go(func() {
		defer s.wg.Done()
		defer s.conns.remove()
		c.serve()
	})
}

// ServeConn serves one connection that was accepted elsewhere and returns
// when it has ended.
func (s *Server) ServeConn(nc net.Conn) {
	if !s.conns.add() {
		s.count.began("refused")
		refuse(nc, s.set.Load(), replyConnections)
		return
	}
	defer s.conns.remove()
	c := s.newConn(nc)
	if c == nil {
		nc.Close()
		return
	}
	defer s.wg.Done()
	c.serve()
}

// newConn registers a connection; nil when the server is shutting down.
func (s *Server) newConn(nc net.Conn) *conn {
	c := &conn{srv: s, set: s.set.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining() {
		return nil
	}
	c.raw = nc
	s.open[c] = struct{}{}
	s.wg.Add(1)
	return c
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
}

func (s *Server) draining() bool { return s.drain.Load() }
func (s *Server) stopped() bool  { return s.stop.Load() }

// Shutdown closes the listeners and waits for the connections. Those that
// wait for a command outside a transaction get 421 at once, others when their
// transaction has ended. When ctx ends the rest are cut short: their contexts
// end, and Shutdown returns ctx's error after they have.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.drain.Store(true)
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.open {
		c.wake()
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
