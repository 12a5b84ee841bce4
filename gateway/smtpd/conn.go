package smtpd

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// conn is one connection. Its goroutine owns all of it.
type conn struct {
	*acceptor.Conn
	srv     *Server
	set     *settings
	info    Info
	session Session
	tx      Transaction
	line    acceptor.Line

	pending *command // to be run next

	traceID          string // of the message that is answered, "" : the session's
	theirs           bool   // the reply is the handler's
	verb             uint8
	greeted, closing bool
	mayXClient       bool
	utf8, prdr       bool // of the transaction
	chunking         bool // between BDAT chunks
	rcpts, failed    int
	over             int // recipients beyond the limit
	errors, idle     int
	mails            int
}

// command is a command line, taken apart.
type command struct{ verb, arg string }

var verbRcpt = verbIndex("RCPT")

// serve speaks with the client until one of both has enough.
func (c *conn) serve() {
	defer c.finish()
	c.info = Info{Listener: c.set.Protocol, Remote: c.Remote, Local: c.Local, TLS: c.TLS, Started: c.Started}
	// The client's own address counts: a proxy that may use XCLIENT lends that
	// to nobody.
	c.mayXClient = acceptor.Contains(c.set.XClientFrom, c.Remote.Addr())
	if !c.connect() {
		return
	}
	for !c.closing {
		c.next()
	}
}

// Log is the connection's own, with the session that an administrator knows it
// by.
func (c *conn) Log(level slog.Level, msg string, attrs ...slog.Attr) {
	if id := traceOf(c.session); id != "" {
		attrs = append(attrs, slog.String("session", id))
	}
	c.Conn.Log(level, msg, attrs...)
}

// finish tells the handler that the connection has ended.
func (c *conn) finish() {
	defer func() {
		if p := recover(); p != nil {
			c.Log(slog.LevelError, "panic at the end of a connection", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
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

// connect asks the handler and greets (RFC 5321 section 3.1).
func (c *conn) connect() bool {
	// Who comes again by XCLIENT finds the handler of now: an older one may
	// have been closed.
	c.set = c.srv.set.Load()
	session, r, err := c.set.handler.Connect(c.Context(), c.info)
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
	line, err := c.readLine(false)
	c.verb = uint8(len(verbs) - 1)
	switch {
	case err == nil:
	case errors.Is(err, acceptor.ErrLineLong):
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
	if !c.Logs(slog.LevelDebug) {
		return
	}
	if verb = verbs[verbIndex(verb)]; verb == "AUTH" || verb == "OTHER" {
		arg = "..."
	}
	c.Log(slog.LevelDebug, "command", slog.String("verb", verb), slog.String("argument", arg))
}

// lost ends the connection for an error of reading.
func (c *conn) lost(err error) {
	c.closing = true
	switch {
	case errors.Is(err, acceptor.ErrDraining), c.Stopped():
		c.Quiet()
		c.send(replyShutdown)
	case acceptor.IsTimeout(err):
		c.Quiet()
		c.send(replyTimeout)
	case errors.Is(err, errBareLF):
		c.send(replyBareLF)
	case errors.Is(err, acceptor.ErrLineEndless):
		c.send(replyTooManyErrors)
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		c.Quiet()
	default:
		c.Quiet()
		c.Log(slog.LevelDebug, "connection lost", slog.Any("error", err))
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

// readLine returns the next line without its line end, with the bound of a
// command line, or that of a line of AUTH.
func (c *conn) readLine(auth bool) ([]byte, error) {
	l := &c.line
	*l = acceptor.Line{Max: c.set.Limits.CommandLine, Idle: c.set.Limits.IdleTimeout, Within: c.set.Limits.CommandTimeout, Longer: l.Longer}
	switch {
	case auth:
		l.Max = maxAuthLine
	case c.set.Auth && c.info.TLS != nil && l.Longer == nil:
		l.Longer = authLine
	}
	b, err := c.ReadLine(l, c.tx != nil || c.chunking)
	if err != nil {
		return nil, err
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1], nil
	}
	if c.set.BareLineEnds == smtp.Refuse {
		return nil, errBareLF
	}
	return b, nil
}

var errBareLF = errors.New("smtpd: command line ends with LF alone")

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
	case <-c.Context().Done():
	}
}
