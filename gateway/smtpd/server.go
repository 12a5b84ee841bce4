package smtpd

import (
	"sync/atomic"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// ErrServerClosed is returned by Serve after Shutdown.
var ErrServerClosed = acceptor.ErrServerClosed

// Connections counts open connections; see acceptor.Connections.
type Connections = acceptor.Connections

// NewConnections returns a counter for at most max connections, perIP from
// one network; zero or negative means no bound.
func NewConnections(max, perIP int) *Connections { return acceptor.NewConnections(max, perIP) }

// Server serves connections of one protocol. Shutdown tells those that wait
// for a command outside a transaction 421 at once, others when their
// transaction has ended.
type Server struct {
	*acceptor.Server
	set   atomic.Pointer[settings]
	count *counters
}

// New returns a Server that asks h.
func New(opt Options, h Handler) (*Server, error) {
	set, err := prepare(opt, h)
	if err != nil {
		return nil, err
	}
	s := &Server{count: opt.Metrics.of(opt.Protocol)}
	s.set.Store(set)
	s.Server, err = acceptor.New(set.acceptor(), (*talker)(s))
	return s, err
}

// Reconfigure makes new connections use opt and h; those that are open keep
// what they began with. Protocol, Connections and Metrics stay as they were.
func (s *Server) Reconfigure(opt Options, h Handler) error {
	opt.Protocol = s.set.Load().Protocol
	set, err := prepare(opt, h)
	if err != nil {
		return err
	}
	if err := s.Server.Reconfigure(set.acceptor()); err != nil {
		return err
	}
	s.set.Store(set)
	return nil
}

// acceptor returns what the acceptor is told.
func (s *settings) acceptor() acceptor.Options {
	o := acceptor.Options{
		Listener: s.Protocol, TLS: s.TLS, ImplicitTLS: s.ImplicitTLS, ProxyFrom: s.ProxyFrom, EarlyTalker: s.Limits.EarlyTalker,
		Limits: acceptor.Limits{
			TLSTimeout: s.Limits.TLSTimeout, WriteTimeout: s.Limits.WriteTimeout,
			Connections: s.Limits.Connections, ConnectionsPerIP: s.Limits.ConnectionsPerIP,
		},
		Connections: s.Connections, Logger: s.Logger,
	}
	if s.Metrics != nil {
		o.Metrics = s.Metrics.Metrics
	}
	return o
}

// talker is a Server as the acceptor sees it.
type talker Server

// Talk implements acceptor.Protocol.
func (t *talker) Talk(ac *acceptor.Conn) {
	s := (*Server)(t)
	// Who was slow to come here finds the handler of now: an older one may
	// have been closed.
	c := &conn{Conn: ac, srv: s, set: s.set.Load()}
	c.serve()
}

// Farewell implements acceptor.Protocol.
func (t *talker) Farewell(r acceptor.Reason) []byte {
	reply := replyConnections
	switch r {
	case acceptor.FullNetwork:
		reply = replyConnectionsIP
	case acceptor.Early:
		reply = replyEarly
		t.count.command(0, reply.Code)
	case acceptor.Failed:
		reply = replyPanic
	}
	if t.set.Load().off["ENHANCEDSTATUSCODES"] {
		reply.Enhanced = smtp.EnhancedCode{}
	}
	return reply.Append(nil)
}
