package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpc"
)

const (
	// deadTime is how long an address that did not answer is passed over.
	deadTime = 30 * time.Second
	// badTLSTime is how long an address with whom a handshake failed is spoken
	// to in plaintext, where no policy wants TLS.
	badTLSTime = 5 * time.Minute
	// lineLimit bounds the connections to a destination.
	lineLimit = 20
)

// connect returns a connection to an address of a hop, as the hop's policy
// wants it.
func (t *Transport) connect(ctx context.Context, h *hop, to netip.AddrPort, fresh bool) (*conn, error) {
	key := lineKey{host: h.host, addr: to, hello: t.deps.Hello, tls: h.tls.key}
	if h.smart != nil {
		key.login = h.smart.user
	}
	return t.deps.State.pool.get(ctx, key, h.site, lineLimit, fresh, func(ctx context.Context) (*conn, error) {
		return t.dial(ctx, h, &key)
	})
}

// dial opens a connection. Where TLS is only a wish and the handshake fails,
// it is done without (RFC 7435 section 3).
func (t *Transport) dial(ctx context.Context, h *hop, key *lineKey) (*conn, error) {
	bad := &t.deps.State.badTLS
	mode := h.tls.mode
	if !h.tls.demanded && mode == smtpc.TLSOpportunistic {
		if why, _ := bad.get(key.addr); why != nil {
			mode = smtpc.TLSOff
		}
	}
	client, err := t.dialMode(ctx, h, key, mode)
	var e *smtpc.Error
	if err != nil && mode == smtpc.TLSOpportunistic && errors.As(err, &e) && e.Step == smtpc.StepTLS &&
		e.Reply.IsZero() && !errors.Is(err, smtpc.ErrInjection) && ctx.Err() == nil {
		t.deps.Metrics.secured("failed")
		bad.add(key.addr, badTLSTime, sessionFailure(ctx, err))
		client, err = t.dialMode(ctx, h, key, smtpc.TLSOff)
	}
	if err != nil {
		if errors.As(err, &e) && e.Step == smtpc.StepTLS {
			t.deps.Metrics.secured("failed")
		}
		return nil, err
	}
	c := &conn{Client: client, addr: key.addr.Addr().String()}
	c.tls = tlsText(client.TLS(), h.tls)
	switch {
	case c.tls == "":
		t.deps.Metrics.secured("none")
	case h.tls.verified == "":
		t.deps.Metrics.secured("unverified")
	default:
		t.deps.Metrics.secured(h.tls.verified)
	}
	return c, nil
}

func (t *Transport) dialMode(ctx context.Context, h *hop, key *lineKey, mode smtpc.TLSMode) (*smtpc.Client, error) {
	o := &t.opt.Timeouts
	opt := smtpc.Options{
		Hello: key.hello, TLS: mode, TLSConfig: h.tls.config, NoChunking: !*t.opt.Chunking,
		Timeouts: smtpc.Timeouts{
			Connect: o.Connect, TLS: o.TLS, Greeting: o.Greeting, Command: o.Command, Mail: o.Command, Rcpt: o.Command,
			DataInit: o.Data, DataBlock: o.Block, DataDone: o.Done,
		},
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return t.dialAddr(ctx, key.source, key.addr)
		},
	}
	if h.smart != nil && h.smart.user != "" {
		opt.Auth = &smtpc.Auth{User: h.smart.user, Password: h.smart.pass}
	}
	// The name is what certificates are checked against, not the address.
	return smtpc.Dial(ctx, "tcp", net.JoinHostPort(h.host, strconv.Itoa(int(h.port))), opt)
}

func (t *Transport) dialAddr(ctx context.Context, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
	if t.deps.Dial != nil {
		return t.deps.Dial(ctx, source, to)
	}
	var d net.Dialer
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// tlsText is a connection's TLS for people.
func tlsText(s *tls.ConnectionState, p *tlsPolicy) string {
	if s == nil {
		return ""
	}
	how := "unverified"
	if p.verified != "" {
		how = p.verified
	}
	return tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite) + " " + how
}
