package pop3d

import (
	"context"
	"sync/atomic"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
)

// Accounts say who a client is; *account.Accounts do.
type Accounts interface {
	Mechanisms(peer account.Peer) []string
	Authenticate(ctx context.Context, peer account.Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (account.Identity, error)
}

// Deps are what a Server uses.
type Deps struct {
	Accounts  Accounts
	Maildrops Maildrops // Mailboxes makes them of a mailbox.Store
	Metrics   *Metrics  // nil: nothing is counted
}

// Server serves connections of one listener or several.
type Server struct {
	*acceptor.Server
	deps  Deps
	set   atomic.Pointer[Options]
	count *counters
}

// New returns a Server over deps.
func New(opt Options, deps Deps) (*Server, error) {
	set, err := opt.prepare()
	if err != nil {
		return nil, err
	}
	s := &Server{deps: deps, count: deps.Metrics.of(opt.Listener)}
	s.set.Store(set)
	s.Server, err = acceptor.New(set.accepting(deps.Metrics), (*talker)(s))
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
	if err := s.Server.Reconfigure(set.accepting(s.deps.Metrics)); err != nil {
		return err
	}
	s.set.Store(set)
	return nil
}

// talker is a Server as the acceptor sees it.
type talker Server

// Talk implements acceptor.Protocol.
func (t *talker) Talk(ac *acceptor.Conn) {
	s := (*Server)(t)
	c := &conn{Conn: ac, srv: s, set: s.set.Load()}
	c.serve()
}

// Farewell implements acceptor.Protocol.
func (t *talker) Farewell(r acceptor.Reason) []byte {
	switch r {
	case acceptor.Full, acceptor.FullNetwork:
		return []byte("-ERR [SYS/TEMP] Too many connections; try again later\r\n")
	}
	return []byte("-ERR [SYS/TEMP] Internal error\r\n")
}
