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
)

// connect returns a connection to an address of a hop, from a source.
func (d *delivery) connect(ctx context.Context, v *visit, fresh bool) (*conn, error) {
	t := d.t
	key := lineKey{host: v.h.host, addr: v.to, source: v.from.addr, hello: v.from.hello, tls: v.tls.key}
	if v.h.smart != nil {
		key.login = v.h.smart.login
	}
	x := dialling{t: t, h: v.h, tls: v.tls, key: &key, domain: d.j.Destination}
	if d.j.Queue.Report {
		x.domain = "" // it is not counted
	}
	c, err := t.deps.State.pool.get(ctx, key, siteKey{v.h.site, v.from.addr}, v.limit, fresh, x.dial)
	if err == nil && c.domain != x.domain && x.domain != "" { // kept from mail to another domain
		c.domain = x.domain
		t.session(x.domain, v.tls, &key, c.local, x.wishes(c.TLS()))
	}
	return c, err
}

// dialling is a connection that is being opened.
type dialling struct {
	t      *Transport
	h      *hop
	tls    *tlsPolicy
	key    *lineKey
	domain string // that its session is counted for; "": none
	local  netip.Addr
}

// dial opens a connection. Where TLS is only a wish and the handshake fails,
// it is done without (RFC 7435 section 3).
func (x *dialling) dial(ctx context.Context) (*conn, error) {
	bad := &x.t.deps.State.badTLS
	mode := x.tls.mode
	may := mode == smtpc.TLSOpportunistic
	if may {
		if why, _ := bad.get(recentKey{to: x.key.addr}); why != nil {
			mode = smtpc.TLSOff
		}
	}
	client, err := x.open(ctx, mode)
	told := mode == smtpc.TLSOff
	if ofTLS(err) {
		told = true
		x.t.deps.Metrics.secured("failed")
		x.t.session(x.domain, x.tls, x.key, x.local, err)
		if may && mode != smtpc.TLSOff && ctx.Err() == nil && !errors.Is(err, smtpc.ErrInjection) {
			bad.add(recentKey{to: x.key.addr}, badTLSTime, sessionFailure(ctx, err))
			x.t.deps.Log.Info("TLS failed, plaintext is used", "host", x.h.host, "address", x.key.addr.String(), "error", err.Error())
			client, err = x.open(ctx, smtpc.TLSOff)
		}
	}
	if err != nil {
		return nil, err
	}
	c := &conn{
		Client: client, addr: x.key.addr.Addr().String(), local: x.local, domain: x.domain, most: x.h.shape.Messages, tls: tlsText(client.TLS(), x.tls),
	}
	if !told {
		x.t.session(x.domain, x.tls, x.key, x.local, x.wishes(client.TLS()))
	}
	x.count(client.TLS())
	return c, nil
}

// wishes tells what a policy that does not insist would say of a connection.
func (x *dialling) wishes(s *tls.ConnectionState) error {
	switch {
	case s == nil && x.tls.mode == smtpc.TLSOpportunistic:
		return smtpc.ErrNoTLS
	case s != nil && x.tls.wish != nil:
		return x.tls.wish(*s)
	}
	return nil
}

func (x *dialling) count(s *tls.ConnectionState) {
	how := x.tls.verified
	switch {
	case s == nil:
		how = "none"
	case how == "":
		how = "unverified"
	}
	x.t.deps.Metrics.secured(how)
}

func (x *dialling) open(ctx context.Context, mode smtpc.TLSMode) (*smtpc.Client, error) {
	t, o := x.t, &x.t.opt.Timeouts
	opt := smtpc.Options{
		Hello: x.key.hello, TLS: mode, TLSConfig: x.tls.config, NoChunking: !*x.h.shape.Chunking,
		Timeouts: smtpc.Timeouts{
			Connect: o.Connect, TLS: o.TLS, Greeting: o.Greeting, Command: o.Command, Mail: o.Command, Rcpt: o.Command,
			DataInit: o.Data, DataBlock: o.Block, DataDone: o.Done,
		},
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := t.dialAddr(ctx, x.key.source, x.key.addr)
			if err == nil {
				if a, perr := netip.ParseAddrPort(c.LocalAddr().String()); perr == nil {
					x.local = a.Addr().Unmap()
				}
			}
			return c, err
		},
	}
	for again := false; ; again = true {
		var err error
		if opt.Auth, err = x.auth(ctx); err != nil {
			return nil, &smtpc.Error{Step: smtpc.StepAuth, Err: err}
		}
		// The name is what certificates are checked against, not the address.
		c, err := smtpc.Dial(ctx, "tcp", net.JoinHostPort(x.h.host, strconv.Itoa(int(x.h.port))), opt)
		var e *smtpc.Error
		if !errors.As(err, &e) || e.Step != smtpc.StepAuth || e.Reply.IsZero() {
			return c, err
		}
		if t := x.h.smart.tokens; t != nil && t.refused(opt.Auth.Token) && !again && ctx.Err() == nil {
			continue // with a new token
		}
		t.deps.Log.Error("the smart host refuses the login", "host", x.h.smart.String(), "user", x.h.smart.user, "reply", e.Reply.Error())
		return c, err
	}
}

// auth returns the login at a smart host, nil: none.
func (x *dialling) auth(ctx context.Context) (*smtpc.Auth, error) {
	h := x.h.smart
	if h == nil || h.user == "" {
		return nil, nil
	}
	a := &smtpc.Auth{User: h.user, Password: h.pass, Mechanism: h.mechanism}
	if h.tokens == nil {
		return a, nil
	}
	var err error
	a.Password = ""
	if a.Token, err = h.tokens.get(ctx); err != nil {
		err = &tokenError{err}
		x.t.deps.Log.Error("no token for the login at the smart host", "host", h.String(), "user", h.user, "error", err.Error())
	}
	return a, err
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
