package imapd

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/crew"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
)

// ErrServerClosed is returned by Serve after Shutdown.
var ErrServerClosed = acceptor.ErrServerClosed

// Accounts say who a client is; *account.Accounts do.
type Accounts interface {
	Mechanisms(peer account.Peer) []string
	Authenticate(ctx context.Context, peer account.Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (account.Identity, error)
}

// Deps are what a Server uses.
type Deps struct {
	Accounts Accounts
	Store    *mailbox.Store
	Search   *search.Index // nil: messages are read for SEARCH TEXT and BODY
	Metrics  *Metrics      // nil: nothing is counted
}

// Server serves connections of one listener or several.
type Server struct {
	*acceptor.Server
	deps  Deps
	set   atomic.Pointer[settings]
	crew  crew.Crew
	count *counters
	pace  time.Duration // how often a long search says that it goes on

	mu       sync.Mutex
	sessions map[string]int // by user
}

const searchPace = 5 * time.Second

// New returns a Server over deps.
func New(opt Options, deps Deps) (*Server, error) {
	set, err := opt.prepare()
	if err != nil {
		return nil, err
	}
	s := &Server{deps: deps, sessions: make(map[string]int), count: deps.Metrics.of(opt.Listener), pace: searchPace}
	s.set.Store(set)
	s.Server, err = acceptor.New(set.accepting(deps.Metrics.accepting()), s)
	return s, err
}

// Reconfigure makes new connections use opt; those that are open keep what
// they began with.
func (s *Server) Reconfigure(opt Options) error {
	opt.Listener = s.set.Load().Listener
	set, err := opt.prepare()
	if err != nil {
		return err
	}
	if err := s.Server.Reconfigure(set.accepting(s.deps.Metrics.accepting())); err != nil {
		return err
	}
	s.set.Store(set)
	return nil
}

// Serve accepts connections from l until it is closed or the server shuts
// down. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.crew.Enter()
	defer s.crew.Leave()
	return s.Server.Serve(l)
}

// ServeConn serves one connection that was accepted elsewhere and returns when
// it has ended.
func (s *Server) ServeConn(nc net.Conn) {
	s.crew.Enter()
	defer s.crew.Leave()
	s.Server.ServeConn(nc)
}

// Talk implements acceptor.Protocol.
func (s *Server) Talk(nc *acceptor.Conn) { newConn(s, nc).serve() }

// Farewell implements acceptor.Protocol.
func (s *Server) Farewell(r acceptor.Reason) []byte {
	switch r {
	case acceptor.Full, acceptor.FullNetwork: // RFC 5530
		return []byte("* BYE [UNAVAILABLE] Too many connections\r\n")
	case acceptor.Early:
		return []byte("* BYE You spoke before the greeting\r\n")
	}
	return []byte("* BYE [SERVERBUG] Internal error\r\n")
}

// enter counts a session of user; false: there are too many.
func (s *Server) enter(user string, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && s.sessions[user] >= limit {
		return false
	}
	s.sessions[user]++
	return true
}

// leave takes an enter back.
func (s *Server) leave(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[user]--; s.sessions[user] <= 0 {
		delete(s.sessions, user)
	}
}
