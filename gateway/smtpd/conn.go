package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// conn is one connection. Its goroutine owns all of it but waiting and raw.
type conn struct {
	srv *Server
	set *settings
	raw net.Conn        // as accepted
	nc  net.Conn        // what is spoken over: raw, or TLS on it
	rc  syscall.RawConn // nc's, for waiting without a buffer
	in  input
	out []byte

	ctx     context.Context
	cancel  context.CancelFunc
	info    Info
	session Session
	tx      Transaction

	readBy, writeBy time.Time             // deadlines that are set
	onReady         func(fd uintptr) bool // readRaw
	rawErr          error
	pending         *command // to be run next
	counted         netip.Addr
	waiting         atomic.Bool

	traceID          string // of the message that is answered, "" : the session's
	theirs           bool   // the reply is the handler's
	verb             uint8
	greeted, closing bool
	quiet            bool // the client is not thought to send more
	deaf             bool // writing has failed
	mayXClient       bool
	utf8, prdr       bool // of the transaction
	chunking         bool // between BDAT chunks
	rcpts, failed    int
	over             int // recipients beyond the limit
	errors, idle     int
	mails            int
	first            [1]byte
}

// command is a command line, taken apart.
type command struct{ verb, arg string }

var verbRcpt = verbIndex("RCPT")

// serve speaks with the client until one of both has enough.
func (c *conn) serve() {
	c.ctx, c.cancel = context.WithCancel(c.srv.base)
	c.srv.count.opened(1)
	c.setConn(c.raw)
	defer c.end()
	if !c.begin() {
		return
	}
	for !c.closing {
		c.next()
	}
	c.flush()
	c.linger()
}

// end cleans up, also after a panic of a handler.
func (c *conn) end() {
	if p := recover(); p != nil {
		c.log(slog.LevelError, "panic", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		c.send(replyPanic)
		c.flush()
	}
	c.srv.forget(c)
	c.cancel()
	c.finish()
	c.nc.Close()
	c.in.release()
	c.releaseOutput()
	c.srv.conns.removeIP(c.counted)
	c.srv.count.opened(-1)
}

// finish tells the handler that the connection has ended.
func (c *conn) finish() {
	defer func() {
		if p := recover(); p != nil {
			c.log(slog.LevelError, "panic at the end of a connection", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	tx, session := c.tx, c.session
	c.tx, c.session = nil, nil
	if session != nil {
		defer session.Close()
	}
	if tx != nil {
		tx.Reset()
	}
}

// begin does everything up to and with the greeting.
func (c *conn) begin() bool {
	c.info = Info{Listener: c.set.Protocol, Remote: addrPort(c.raw.RemoteAddr()), Local: addrPort(c.raw.LocalAddr()), Started: time.Now()}
	if contains(c.set.ProxyFrom, c.info.Remote.Addr()) {
		if err := c.proxyHeader(); err != nil {
			c.srv.count.began("proxy")
			c.log(slog.LevelWarn, "bad PROXY header", slog.Any("error", err))
			return false
		}
	}
	// The client's own address counts: a proxy that may use XCLIENT lends that
	// to nobody.
	c.mayXClient = contains(c.set.XClientFrom, c.info.Remote.Addr())
	if ip := c.info.Remote.Addr(); !c.srv.conns.addIP(ip) {
		c.srv.count.began("refused")
		refuse(c.nc, c.set, replyConnectionsIP)
		return false
	} else {
		c.counted = ip
	}
	if c.set.ImplicitTLS {
		if err := c.startTLS(); err != nil {
			c.srv.count.began("tls")
			c.log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
			return false
		}
	}
	if c.early() {
		c.srv.count.began("early")
		c.send(replyEarly)
		c.flush()
		c.linger()
		return false
	}
	c.srv.count.began("accepted")
	return c.connect()
}

// connect asks the handler and greets (RFC 5321 section 3.1).
func (c *conn) connect() bool {
	// Who was slow to come here, or comes again by XCLIENT, finds the handler
	// of now: an older one may have been closed.
	c.set = c.srv.set.Load()
	session, r, err := c.set.handler.Connect(c.ctx, c.info)
	kind := " ESMTP"
	if c.set.lmtp {
		kind = " LMTP"
	}
	r = c.answer(r, err, smtp.NewReply(220, smtp.EnhancedCode{}, c.set.Hostname+kind))
	if r.Positive() && session == nil {
		r = replyInternal
	}
	c.session = session
	c.send(r)
	if !r.Positive() {
		c.turnAway()
		c.flush()
		c.linger()
		return false
	}
	return true
}

// turnAway waits for QUIT after a greeting that is no 220 (RFC 5321 section
// 3.1), though not for long.
func (c *conn) turnAway() {
	set := *c.set
	set.Limits.IdleTimeout = min(set.Limits.IdleTimeout, turnedAwayTime)
	c.set = &set
	for n := 0; !c.closing; n++ {
		cmd, ok := c.readCommand()
		switch {
		case n >= turnedAwayCommands && !c.closing:
			c.send(replyTooManyErrors)
		case !ok:
		case cmd.verb == "QUIT":
			c.run(cmd)
		default:
			c.verb = verbIndex(cmd.verb)
			c.reply(replyTurnedAway)
		}
	}
}

const (
	turnedAwayTime     = 10 * time.Second // of silence
	turnedAwayCommands = 10
)

// early tells whether the client talks before the greeting.
func (c *conn) early() bool {
	if !c.in.empty() {
		return c.set.Limits.EarlyTalker > 0
	}
	wait := c.set.Limits.EarlyTalker
	if wait <= 0 {
		return false
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

// next runs one command.
func (c *conn) next() {
	if p := c.pending; p != nil {
		c.pending = nil
		c.run(*p)
		return
	}
	if cmd, ok := c.readCommand(); ok {
		c.run(cmd)
	}
}

// readCommand reads the next command; what is none is answered here.
func (c *conn) readCommand() (command, bool) {
	line, err := c.readLine(c.set.Limits.CommandLine)
	c.verb = uint8(len(verbs) - 1)
	switch {
	case err == nil:
	case errors.Is(err, errLineLong):
		c.reply(replyLineLong)
		return command{}, false
	default:
		c.lost(err)
		return command{}, false
	}
	verb, arg, ok := smtp.ParseCommand(line)
	if !ok {
		if len(line) > 0 && (line[0] < ' ' || line[0] > '~') {
			c.reply(replyForeign)
		} else {
			c.reply(replySyntax)
		}
		return command{}, false
	}
	c.logCommand(verb, arg)
	return command{verb, arg}, true
}

// logCommand logs a command. What may be a password is left out: the argument
// of AUTH, and what is no command, since clients write on when AUTH is refused.
func (c *conn) logCommand(verb, arg string) {
	if !c.set.Logger.Enabled(c.ctx, slog.LevelDebug) {
		return
	}
	if verb = verbs[verbIndex(verb)]; verb == "AUTH" || verb == "OTHER" {
		arg = "..."
	}
	c.log(slog.LevelDebug, "command", slog.String("verb", verb), slog.String("argument", arg))
}

// lost ends the connection for an error of reading.
func (c *conn) lost(err error) {
	c.closing = true
	switch {
	case errors.Is(err, errDraining), c.srv.stopped():
		c.quiet = true
		c.send(replyShutdown)
	case isTimeout(err):
		c.quiet = true
		c.send(replyTimeout)
	case errors.Is(err, errBareLF):
		c.send(replyBareLF)
	case errors.Is(err, errSkip):
		c.send(replyTooManyErrors)
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		c.quiet = true
	default:
		c.quiet = true
		c.log(slog.LevelDebug, "connection lost", slog.Any("error", err))
	}
}

// run runs one command and queues its reply. Each method gives its reply;
// the zero one means that all has been said.
func (c *conn) run(cmd command) {
	c.verb, c.theirs = verbIndex(cmd.verb), false
	var r smtp.Reply
	switch cmd.verb {
	case "EHLO", "HELO", "LHLO":
		r = c.ehlo(cmd.verb, cmd.arg)
	case "MAIL":
		r = c.mail(cmd.arg)
	case "RCPT":
		r = c.rcpt(cmd.arg)
	case "DATA":
		r = c.data(cmd.arg)
	case "BDAT":
		r = c.bdat(cmd.arg)
	case "RSET":
		r = c.rset(cmd.arg)
	case "NOOP":
		r = c.noop()
	case "QUIT":
		r = c.quit(cmd.arg)
	case "VRFY", "EXPN":
		r = c.vrfy(cmd.verb, cmd.arg)
	case "HELP":
		r = c.help()
	case "STARTTLS":
		r = c.starttls(cmd.arg)
	case "XCLIENT":
		r = c.xclient(cmd.arg)
	case "AUTH":
		r = c.auth(cmd.arg)
	case "PROXY", "GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "SSH":
		r = replyForeign // another protocol, perhaps made to speak to us
	default:
		r = replyUnknown
	}
	if !r.IsZero() {
		c.reply(r)
	}
}

// idleCommand counts a command that brings no message nearer.
func (c *conn) idleCommand() bool {
	c.idle++
	return c.idle <= c.set.Limits.IdleCommands
}

// reset gives the transaction up.
func (c *conn) reset() {
	tx := c.tx
	c.forgetTransaction()
	if tx != nil {
		tx.Reset()
	}
}

func (c *conn) forgetTransaction() {
	c.tx, c.rcpts, c.utf8, c.prdr, c.chunking = nil, 0, false, false, false
}

// tarpit holds an error reply back.
func (c *conn) tarpit() {
	d := c.set.Limits.Tarpit
	if d <= 0 || c.closing {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}

// wake makes a connection that waits for a command look at the server's
// state.
func (c *conn) wake() {
	if c.waiting.Load() {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut makes a connection end.
func (c *conn) cut() {
	c.raw.SetReadDeadline(time.Unix(1, 0))
	c.raw.SetWriteDeadline(time.Now().Add(lastWrite))
}

// linger closes the sending side and reads on for a moment: closing with
// unread octets would reset the connection and lose the last reply.
func (c *conn) linger() {
	if c.srv.stopped() {
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

func (c *conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !c.set.Logger.Enabled(c.ctx, level) {
		return
	}
	remote := "local"
	if c.info.Remote.IsValid() {
		remote = c.info.Remote.String()
	}
	c.set.Logger.LogAttrs(c.ctx, level, msg, append(attrs, slog.String("listener", c.info.Listener), slog.String("remote", remote))...)
}

// refuse answers and closes a connection that is not served. Inside TLS that
// has not begun there is nothing to say it with.
func refuse(nc net.Conn, set *settings, r smtp.Reply) {
	defer nc.Close()
	if set.ImplicitTLS {
		return
	}
	if nc.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		nc.Write(r.Append(nil))
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
