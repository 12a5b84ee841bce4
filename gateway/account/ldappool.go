package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Times of the pool.
const (
	dirIdle = time.Minute      // after which an idle connection is closed when it is next looked at
	dirDown = 15 * time.Second // for which a server that failed is asked last
)

// dirPool is a few connections to the first server that answers.
type dirPool struct {
	opt   *LDAP
	roots *x509.CertPool // nil: the system's
	slots chan struct{}

	mu     sync.Mutex
	idle   []*dirConn
	down   map[string]time.Time // servers that failed, until when
	closed bool
}

// dirConn is one connection.
type dirConn struct {
	conn    *ldap.Conn
	since   time.Time
	service bool // bound as the service
}

func newDirPool(opt *LDAP) (*dirPool, error) {
	p := &dirPool{opt: opt, slots: make(chan struct{}, opt.Connections), down: map[string]time.Time{}}
	if opt.CA == "" {
		return p, nil
	}
	var err error
	p.roots, err = readPool("ldap", opt.CA)
	return p, err
}

// do runs f with a connection. Where an idle one turns out to be dead, f runs
// again with a fresh one, and where a server is, with the next.
func (p *dirPool) do(ctx context.Context, f func(*dirConn) error) error {
	// As long as it takes to ask all servers, once.
	ctx, cancel := context.WithTimeout(ctx, p.opt.Timeout*time.Duration(len(p.opt.Servers)+1))
	defer cancel()
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("all connections are in use: %w", ctx.Err())
	}
	defer func() { <-p.slots }()
	if c := p.takeIdle(); c != nil {
		if err := p.run(ctx, c, f); !isNetwork(err) || ctx.Err() != nil {
			return err
		}
	}
	var errs []error
	for _, server := range p.servers() {
		c, err := p.dial(ctx, server)
		if err == nil {
			if err = p.run(ctx, c, f); !isNetwork(err) {
				return err
			}
		}
		errs = append(errs, fmt.Errorf("%s: %w", server, err))
		p.mu.Lock()
		p.down[server] = time.Now().Add(dirDown)
		p.mu.Unlock()
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// run calls f and keeps the connection or closes it.
func (p *dirPool) run(ctx context.Context, c *dirConn, f func(*dirConn) error) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	err := f(c)
	if !stop() || isNetwork(err) || c.conn.IsClosing() || !p.keep(c) {
		c.conn.Close()
	}
	return err
}

// isNetwork tells whether err is the connection's, so that another may do
// better.
func isNetwork(err error) bool {
	var e *ldap.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.ResultCode {
	case ldap.ErrorNetwork, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultServerDown, ldap.LDAPResultTimeout, ldap.LDAPResultConnectError:
		return true
	}
	return false
}

func (p *dirPool) takeIdle() *dirConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(c.since) < dirIdle && !c.conn.IsClosing() {
			return c
		}
		c.conn.Close()
	}
	return nil
}

func (p *dirPool) keep(c *dirConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	c.since = time.Now()
	p.idle = append(p.idle, c)
	return true
}

func (p *dirPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.conn.Close()
	}
	p.idle = nil
}

// servers returns the servers in the order to ask them in.
func (p *dirPool) servers() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var up, down []string
	for _, s := range p.opt.Servers {
		if time.Now().Before(p.down[s]) {
			down = append(down, s)
		} else {
			up = append(up, s)
		}
	}
	return append(up, down...)
}

func (p *dirPool) dial(ctx context.Context, server string) (*dirConn, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{ServerName: u.Hostname(), RootCAs: p.roots, MinVersion: tls.VersionTLS12}
	conn, err := ldap.DialURL(server, ldap.DialWithDialer(&net.Dialer{Timeout: p.opt.Timeout}), ldap.DialWithTLSConfig(cfg))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(p.opt.Timeout)
	if !p.opt.Plaintext && strings.EqualFold(u.Scheme, "ldap") {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		err = conn.StartTLS(cfg)
		if !stop() && err == nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("STARTTLS: %w", err)
	}
	return &dirConn{conn: conn}, nil
}

// bindService makes c the service's, or nobody's where it has no name.
func (c *dirConn) bindService(opt *LDAP) error {
	if c.service {
		return nil
	}
	var err error
	if opt.BindDN == "" {
		err = c.conn.UnauthenticatedBind("")
	} else {
		err = c.conn.Bind(opt.BindDN, opt.BindPassword)
	}
	if err != nil {
		return fmt.Errorf("bind as %q: %w", opt.BindDN, err)
	}
	c.service = true
	return nil
}

// bindUser checks a password. The error is errInvalid where it is wrong.
func (c *dirConn) bindUser(dn, password string) error {
	c.service = false
	err := c.conn.Bind(dn, password)
	for _, code := range []uint16{ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultConstraintViolation} {
		if ldap.IsErrorWithCode(err, code) {
			return fmt.Errorf("%w: %w", errInvalid, err)
		}
	}
	return err
}
