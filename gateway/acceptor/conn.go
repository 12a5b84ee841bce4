package acceptor

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is one connection. Its methods are for the goroutine in Talk alone, but
// Wake.
type Conn struct {
	// Remote is the client's address, after PROXY; a Protocol that learns
	// another (XCLIENT) may set it. Invalid on a unix socket.
	Remote netip.AddrPort
	// Local is the address that the client connected to.
	Local netip.AddrPort
	// TLS is nil in plaintext.
	TLS *tls.ConnectionState
	// Started is when it was accepted.
	Started time.Time

	srv    *Server
	set    *Options
	raw    net.Conn        // as accepted
	nc     net.Conn        // what is spoken over: raw, or layers on it
	rc     syscall.RawConn // nc's, for waiting without a buffer
	in     input
	out    []byte
	ctx    context.Context
	cancel context.CancelFunc

	readBy, writeBy time.Time             // deadlines that are set
	onReady         func(fd uintptr) bool // readRaw
	rawErr          error
	counted         netip.Addr
	waiting, woken  atomic.Bool
	quiet           bool  // the client is not thought to send more
	deaf            error // of writing
	first           [1]byte
	users           []string // who has logged in, and as whom; under the server's mutex
}

// Context ends when the connection does, and when the server cuts it short.
func (c *Conn) Context() context.Context { return c.ctx }

// Draining tells whether the server is shutting down.
func (c *Conn) Draining() bool { return c.srv.Draining() }

// Stopped tells whether the server cuts connections short.
func (c *Conn) Stopped() bool { return c.srv.Stopped() }

// Quiet says that the client will send no more, so that closing the
// connection loses nothing.
func (c *Conn) Quiet() { c.quiet = true }

// LogIn says whose connection it is from now on: as whom the client acts, and who
// it is where that is another; none: nobody's. End finds it by each.
func (c *Conn) LogIn(users ...string) {
	c.srv.mu.Lock()
	c.users = users
	c.srv.mu.Unlock()
}

// serve does all from the first octet to the last.
func (c *Conn) serve() {
	c.ctx, c.cancel = context.WithCancel(c.srv.base)
	c.srv.count.opened(1)
	c.setTransport(c.raw)
	defer c.end()
	if !c.begin() {
		return
	}
	c.srv.proto.Talk(c)
	c.lastFlush()
	c.linger()
}

// end cleans up, also after a panic.
func (c *Conn) end() {
	if p := recover(); p != nil {
		c.Log(slog.LevelError, "panic", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		c.out = append(c.Output(), c.srv.proto.Farewell(Failed)...)
		c.Flush()
	}
	c.srv.forget(c)
	c.cancel()
	c.nc.Close()
	c.in.release()
	c.releaseOutput()
	c.srv.conns.removeIP(c.counted)
	c.srv.count.opened(-1)
}

// begin does everything before the greeting.
func (c *Conn) begin() bool {
	c.Remote, c.Local, c.Started = addrPort(c.raw.RemoteAddr()), addrPort(c.raw.LocalAddr()), time.Now()
	if Contains(c.set.ProxyFrom, c.Remote.Addr()) {
		if err := c.proxyHeader(); err != nil {
			c.srv.count.began("proxy")
			c.Log(slog.LevelWarn, "bad PROXY header", slog.Any("error", err))
			return false
		}
	}
	if ip := c.Remote.Addr(); !c.srv.conns.addIP(ip) {
		c.srv.count.began("refused")
		c.srv.refuse(c.nc, c.set, FullNetwork)
		return false
	} else {
		c.counted = ip
	}
	if c.set.ImplicitTLS {
		if err := c.StartTLS(); err != nil {
			c.srv.count.began("tls")
			c.Log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
			return false
		}
	}
	if c.early() {
		c.srv.count.began("early")
		c.out = append(c.Output(), c.srv.proto.Farewell(Early)...)
		c.lastFlush()
		c.linger()
		return false
	}
	c.srv.count.began("accepted")
	return true
}

// early tells whether the client talks before the greeting.
func (c *Conn) early() bool {
	wait := c.set.EarlyTalker
	if wait <= 0 || !c.in.empty() {
		return wait > 0
	}
	c.in.grow(false)
	c.readBy = time.Now().Add(wait)
	if c.nc.SetReadDeadline(c.readBy) != nil {
		return false
	}
	n, _ := c.nc.Read(c.in.buf)
	c.in.w = n
	return n > 0
}

// StartTLS does the handshake, after what is queued has been sent. The caller
// has discarded what a client sent ahead of it (Discard): what is buffered is
// taken for the beginning of the handshake. After an error the connection is
// of no more use.
func (c *Conn) StartTLS() error {
	if err := c.Flush(); err != nil {
		return err
	}
	under := c.under()
	c.in.release()
	c.releaseOutput()
	deadline := time.Now().Add(c.set.Limits.TLSTimeout)
	if err := under.SetDeadline(deadline); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(c.ctx, deadline)
	defer cancel()
	t := tls.Server(under, c.set.TLS)
	if err := handshake(ctx, t); err != nil {
		c.quiet = true
		return err
	}
	state := t.ConnectionState()
	c.TLS = &state
	c.setTransport(t)
	return nil
}

// Layer puts a layer, as of compression, between the connection and the
// Conn, after what is queued has been sent below it.
func (c *Conn) Layer(layer func(under net.Conn) net.Conn) error {
	if err := c.Flush(); err != nil {
		return err
	}
	under := c.under()
	c.in.release()
	c.setTransport(layer(under))
	return nil
}

// under is what a layer is put on: the connection with what has been read of
// it ahead.
func (c *Conn) under() net.Conn {
	if c.in.empty() {
		return c.nc
	}
	return &prefixed{Conn: c.nc, prefix: append([]byte(nil), c.in.bytes()...)}
}

// handshake tells of a panic as of any other failure: it is a callback's of the
// configuration.
func handshake(ctx context.Context, t *tls.Conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	Aside(func() { err = t.HandshakeContext(ctx) })
	return err
}

// Aside runs f on a stack of its own and waits for it: a handshake or a login
// needs some 32 KiB, which the goroutine of a connection would keep as long as
// it idles. A panic of f becomes the caller's, with f's stack in its text.
func Aside(f func()) {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("%v\n%s", p, debug.Stack())
			} else {
				done <- nil
			}
		}()
		f()
	}()
	if err := <-done; err != nil {
		panic(err)
	}
}

// Secure returns the TLS state that secrets may rely on; nil: none, and then
// nothing secret may be said. For clients of the networks named it is an empty
// one in plaintext: no handshake was done, so nobody can be bound to it.
func (c *Conn) Secure(plaintext []netip.Prefix) *tls.ConnectionState {
	if c.TLS == nil && Contains(plaintext, c.Remote.Addr()) {
		return new(tls.ConnectionState)
	}
	return c.TLS
}

// prefixed is a connection of which some octets have been read already.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// Wake makes the Wait of now, or the next one, return ErrWoken. Any goroutine
// may call it.
func (c *Conn) Wake() {
	c.woken.Store(true)
	c.nudge()
}

// nudge makes a connection that waits look at its state.
func (c *Conn) nudge() {
	if c.waiting.Load() {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut makes a connection end.
func (c *Conn) cut() {
	c.raw.SetReadDeadline(time.Unix(1, 0))
	c.raw.SetWriteDeadline(time.Now().Add(lastWrite))
}

// linger closes the sending side and reads on for a moment: closing with
// unread octets would reset the connection and lose the last reply.
func (c *Conn) linger() {
	if c.Stopped() {
		return
	}
	h, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || c.quiet {
		return
	}
	if t, ok := c.nc.(*tls.Conn); ok {
		t.CloseWrite()
	}
	if h.CloseWrite() != nil || c.raw.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	c.in.release()
	c.in.grow(false)
	for n := 0; n < lingerOctets; {
		k, err := c.raw.Read(c.in.buf)
		if n += k; err != nil {
			return
		}
	}
}

const (
	lingerTime   = 2 * time.Second
	lingerOctets = 256 << 10
)

// Log writes a line that names the listener and the client.
func (c *Conn) Log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !c.Logs(level) {
		return
	}
	remote := "local"
	if c.Remote.IsValid() {
		remote = c.Remote.String()
	}
	c.set.Logger.LogAttrs(c.ctx, level, msg, append(attrs, slog.String("listener", c.set.Listener), slog.String("remote", remote))...)
}

// Logs tells whether lines of a level are written.
func (c *Conn) Logs(level slog.Level) bool { return c.set.Logger.Enabled(c.ctx, level) }

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
