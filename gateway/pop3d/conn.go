package pop3d

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// conn is one connection.
type conn struct {
	*acceptor.Conn
	srv  *Server
	set  *Options
	line acceptor.Line

	name    string // of USER; "": none
	utf8    bool   // UTF8 was said
	closing bool
	refused bool // the reply to this command is -ERR
	failed  int  // logins
	bad     int  // commands in succession

	// From the login on.
	user          string
	drop          Maildrop // nil: not logged in
	deleted, seen marks
	count         int   // of messages left
	octets        int64 // of them
}

// state is where a command may be given (RFC 1939).
type state uint8

const (
	authorization state = 1 << iota
	transaction
	anywhere = authorization | transaction
)

// command is something that a client can say. run takes the argument, which is
// empty where there is none; an error is answered and logged in one place.
type command struct {
	name string
	in   state
	run  func(c *conn, arg []byte) error
}

// commands are those of RFC 1939, but APOP, which needs passwords that are
// kept as they are; and of its extensions.
var commands = [...]command{
	{"RETR", transaction, (*conn).retr},
	{"DELE", transaction, (*conn).dele},
	{"LIST", transaction, (*conn).list},
	{"UIDL", transaction, (*conn).uidl},
	{"TOP", transaction, (*conn).top},
	{"STAT", transaction, (*conn).stat},
	{"NOOP", transaction, (*conn).noop},
	{"RSET", transaction, (*conn).rset},
	{"USER", authorization, (*conn).userName},
	{"PASS", authorization, (*conn).pass},
	{"AUTH", authorization, (*conn).auth},
	{"STLS", authorization, (*conn).stls},
	{"UTF8", authorization, (*conn).utf8Mode},
	{"CAPA", anywhere, (*conn).capa},
	{"QUIT", anywhere, (*conn).quit},
}

// serve speaks with the client until one of both has enough.
func (c *conn) serve() {
	defer c.leave()
	c.say("Gapura ", c.set.Hostname, " is ready")
	for !c.closing {
		c.next()
	}
}

// leave gives the maildrop back. Nothing is removed.
func (c *conn) leave() {
	if c.drop == nil {
		return
	}
	d := c.drop
	c.drop = nil
	defer d.Close()
	if seen := c.seen.uids(d, nil); len(seen) > 0 {
		ctx := deadline.After(c.Context(), c.set.Limits.CommandTimeout)
		defer ctx.Cancel()
		if err := d.Update(ctx, seen, nil); err != nil {
			c.log(slog.LevelWarn, "messages stay unseen", slog.Any("error", err))
		}
	}
}

// restTime is after how much silence a session gives up what it can get again.
const restTime = 10 * time.Second

// next runs one command.
func (c *conn) next() {
	line, err := c.readLine(c.set.Limits.CommandLine)
	switch {
	case err == nil:
		c.run(line)
	case errors.Is(err, acceptor.ErrLineLong):
		c.refuse("", "Line too long")
		c.misspoke()
	default:
		c.lost(err)
	}
}

// readLine returns the next line without its line end.
func (c *conn) readLine(most int) ([]byte, error) {
	if c.Empty() {
		if err := c.wait(); err != nil {
			return nil, err
		}
	}
	c.line = acceptor.Line{Max: most, Idle: c.set.Limits.IdleTimeout, Within: c.set.Limits.ArrivalTimeout}
	if c.drop == nil && c.mayLogIn() {
		c.line.Longer = authLine
	}
	b, err := c.ReadLine(&c.line, false)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b, []byte("\r")), nil
}

// wait waits for a command: for little at first, so that the maildrop can rest
// where it takes long.
func (c *conn) wait() error {
	if c.drop == nil {
		return c.Wait(max(c.set.Limits.LoginTimeout-time.Since(c.Started), time.Millisecond), false)
	}
	err := c.Wait(restTime, false)
	if acceptor.IsTimeout(err) {
		c.drop.Rest()
		err = c.Wait(c.set.Limits.IdleTimeout, false)
	}
	return err
}

// lost ends the connection for an error of reading.
func (c *conn) lost(err error) {
	c.closing = true
	c.Quiet()
	switch {
	case errors.Is(err, acceptor.ErrDraining), c.Stopped():
		c.refuse("SYS/TEMP", "The server is going down; try again later")
	case errors.Is(err, acceptor.ErrLineEndless):
		c.refuse("", "Your line has no end")
	case acceptor.IsTimeout(err): // RFC 1939 section 3: nothing is said
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	default:
		c.log(slog.LevelDebug, "connection lost", slog.Any("error", err))
	}
}

// run runs one command line.
func (c *conn) run(line []byte) {
	verb, arg, _ := bytes.Cut(line, []byte(" "))
	c.refused = false
	i := find(verb)
	if i == len(commands) {
		c.refuse("", "There is no such command")
		c.misspoke()
		return
	}
	cmd := &commands[i]
	c.logCommand(cmd.name, arg)
	in := authorization
	if c.drop != nil {
		in = transaction
	}
	switch {
	case cmd.in&in != 0:
		c.answer(cmd.name, cmd.run(c, arg))
	case in == authorization:
		c.refuse("", "Log in first")
		c.misspoke()
	default:
		c.refuse("", "You are logged in already")
		c.misspoke()
	}
	if !c.refused {
		c.bad = 0
	}
	c.srv.count.command(i, !c.refused)
}

// misspoke counts a command that made no sense.
func (c *conn) misspoke() {
	if c.bad++; c.bad > c.set.Limits.BadCommands {
		c.refuse("", "Too many bad commands")
		c.closing = true
	}
}

// find returns the place of a verb in commands, or their number.
func find(verb []byte) int {
	var up [4]byte
	if len(verb) > len(up) {
		return len(commands)
	}
	for i, b := range verb {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		up[i] = b
	}
	for i := range commands {
		if commands[i].name == string(up[:len(verb)]) {
			return i
		}
	}
	return len(commands)
}

// logCommand logs a command, but nothing that may be secret.
func (c *conn) logCommand(verb string, arg []byte) {
	if !c.Logs(slog.LevelDebug) {
		return
	}
	if verb == "PASS" || verb == "AUTH" {
		arg = []byte("...")
	}
	c.log(slog.LevelDebug, "command", slog.String("verb", verb), slog.String("argument", string(arg)))
}

// limited is the context of the work for a command.
func (c *conn) limited() *deadline.Context {
	return deadline.After(c.Context(), c.set.Limits.CommandTimeout)
}

// message returns a message by its number as a client writes it.
func (c *conn) message(ctx *deadline.Context, arg []byte) (n int, m mailbox.Message, err error) {
	n, err = c.number(arg)
	if err != nil {
		return 0, m, err
	}
	err = c.drop.Messages(ctx, n, n, func(x *mailbox.Message) error {
		m = *x
		return nil
	})
	if err == nil && m.UID == 0 {
		err = mailbox.ErrExpunged
	}
	return n, m, err
}

// number reads the number of a message that is there.
func (c *conn) number(arg []byte) (int, error) {
	n, ok := parseNumber(arg)
	total, _ := c.drop.Totals()
	switch {
	case !ok:
		return 0, errForm
	case n == 0 || n > int64(total):
		return 0, errNoMessage
	case c.deleted.has(int(n)):
		return 0, errDeleted
	}
	return int(n), nil
}

// parseNumber reads a number of up to ten digits, with spaces behind it.
func parseNumber(arg []byte) (n int64, ok bool) {
	arg = bytes.TrimRight(arg, " ")
	if len(arg) == 0 || len(arg) > 10 {
		return 0, false
	}
	for _, b := range arg {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, true
}

func (c *conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !c.Logs(level) {
		return
	}
	if c.user != "" {
		attrs = append(attrs, slog.String("user", c.user))
	}
	c.Log(level, msg, attrs...)
}
