package sieved

import (
	"context"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sieve"
)

// Accounts say who a client is; *account.Accounts do.
type Accounts interface {
	Mechanisms(peer account.Peer) []string
	Authenticate(ctx context.Context, peer account.Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (account.Identity, error)
}

// Users find whose scripts there are.
type Users interface {
	User(ctx context.Context, name string) (User, error)
}

// User has scripts; *mailbox.User is one.
type User interface {
	Scripts(ctx context.Context) ([]mailbox.Script, error)
	Script(ctx context.Context, name string) (mailbox.Script, error)
	PutScript(ctx context.Context, name string, data []byte) error
	RoomForScript(ctx context.Context, name string, size int64) error
	RenameScript(ctx context.Context, from, to string) error
	DeleteScript(ctx context.Context, name string) error
	ActivateScript(ctx context.Context, name string) error
}

// Mailboxes returns the users of a store.
func Mailboxes(s *mailbox.Store) Users { return users{s} }

type users struct{ store *mailbox.Store }

// User implements Users.
func (u users) User(ctx context.Context, name string) (User, error) { return u.store.User(ctx, name) }

// Compile checks a script: what is probably wrong with it, or why it is none.
type Compile func(script []byte, opt sieve.Options) (warnings []*sieve.Error, err error)

func compile(script []byte, opt sieve.Options) ([]*sieve.Error, error) {
	s, err := sieve.Compile(script, opt)
	if err != nil {
		return nil, err
	}
	return s.Warnings(), nil
}

// Deps are what a Server uses.
type Deps struct {
	Accounts Accounts
	Users    Users    // Mailboxes makes them of a mailbox.Store
	Compile  Compile  // nil: sieve.Compile
	Metrics  *Metrics // nil: nothing is counted
}

// Metrics count connections; see NewMetrics.
type Metrics struct{ connections *acceptor.Metrics }

// NewMetrics registers the metrics of ManageSieve servers with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	return &Metrics{acceptor.NewMetrics(reg, "managesieve")}
}

func (m *Metrics) accepting() *acceptor.Metrics {
	if m == nil {
		return nil
	}
	return m.connections
}

// Server serves connections of one listener or several.
type Server struct {
	*acceptor.Server
	deps Deps
	set  atomic.Pointer[Options]
}

// New returns a Server over deps.
func New(opt Options, deps Deps) (*Server, error) {
	set, err := opt.prepare()
	if err != nil {
		return nil, err
	}
	if deps.Compile == nil {
		deps.Compile = compile
	}
	s := &Server{deps: deps}
	s.set.Store(set)
	s.Server, err = acceptor.New(set.accepting(deps.Metrics.accepting()), (*talker)(s))
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
		return []byte("BYE (TRYLATER) \"Too many connections; try again later\"\r\n")
	}
	return []byte("BYE (TRYLATER) \"Internal error\"\r\n")
}
