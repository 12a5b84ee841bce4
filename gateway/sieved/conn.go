package sieved

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/deadline"
)

// conn is one connection.
type conn struct {
	*acceptor.Conn
	srv  *Server
	set  *Options
	line acceptor.Line

	name    string // who is logged in
	user    User   // nil: nobody
	closing bool
	refused bool      // this command was
	failed  int       // logins
	bad     int       // commands in succession
	since   time.Time // nobody has been logged in since then
}

// state is where a command may be given (RFC 5804 section 1.2).
type state uint8

const (
	outside state = 1 << iota
	inside
	anywhere = outside | inside
)

// command is something that a client can say. args are the kinds of its
// arguments, in capitals those that may be missing.
type command struct {
	name string
	in   state
	args string
	run  func(c *conn, ctx *deadline.Context, args []word) error
}

var commands = [...]command{
	{"AUTHENTICATE", outside, "sS", (*conn).authenticate},
	{"STARTTLS", outside, "", (*conn).starttls},
	{"LOGOUT", anywhere, "", (*conn).logout},
	{"CAPABILITY", anywhere, "", (*conn).capability},
	{"NOOP", anywhere, "S", (*conn).noop},
	{"UNAUTHENTICATE", inside, "", (*conn).unauthenticate},
	{"HAVESPACE", inside, "sn", (*conn).havespace},
	{"PUTSCRIPT", inside, "ss", (*conn).putscript},
	{"LISTSCRIPTS", inside, "", (*conn).listscripts},
	{"SETACTIVE", inside, "s", (*conn).setactive},
	{"GETSCRIPT", inside, "s", (*conn).getscript},
	{"DELETESCRIPT", inside, "s", (*conn).deletescript},
	{"RENAMESCRIPT", inside, "ss", (*conn).renamescript},
	{"CHECKSCRIPT", inside, "s", (*conn).checkscript},
}

// serve speaks with the client until one of both has enough.
func (c *conn) serve() {
	c.since = c.Started
	c.capabilities()
	c.ok("", c.set.Hostname+" is ready")
	for !c.closing {
		c.next()
	}
}

// idle is how long a client may be silent now.
func (c *conn) idle() time.Duration {
	if c.user == nil {
		return max(c.set.Limits.LoginTimeout-time.Since(c.since), time.Millisecond)
	}
	return c.set.Limits.IdleTimeout
}

// next runs one command.
func (c *conn) next() {
	c.refused = false
	words, err := c.readWords()
	switch {
	case err == nil && len(words) == 0:
		c.no("", "There is no command")
	case err == nil:
		if c.run(words) {
			return
		}
	case errors.Is(err, errTooBig):
		c.no("QUOTA/MAXSIZE", "This is too large")
	case errors.Is(err, errSyntax):
		c.no("", "Malformed command")
	case errors.Is(err, acceptor.ErrLineLong):
		c.no("", "Line too long")
	case errors.Is(err, errFatal):
		c.bye("", "Malformed command: nobody knows where the next one begins")
	default:
		c.lost(err)
	}
	if c.bad++; c.bad > c.set.Limits.BadCommands {
		c.bye("", "Too many bad commands")
	}
}

// run runs a command; false: it made no sense.
func (c *conn) run(words []word) bool {
	verb := strings.ToUpper(string(words[0].data))
	in := outside
	if c.user != nil {
		in = inside
	}
	for i := range commands {
		cmd := &commands[i]
		switch {
		case words[0].kind != atom || cmd.name != verb:
			continue
		case cmd.in&in == 0 && in == outside:
			c.no("", "Log in first")
		case cmd.in&in == 0:
			c.no("", "You are logged in already")
		case !fits(cmd.args, words[1:]):
			c.no("", "This is not the form of "+verb)
		default:
			ctx := deadline.After(c.Context(), c.set.Limits.CommandTimeout)
			defer ctx.Cancel()
			c.answer(verb, cmd.run(c, ctx, words[1:]))
			if !c.refused {
				c.bad = 0
			}
			return true
		}
		return false
	}
	c.no("", "There is no such command")
	return false
}

// fits tells whether arguments are of the kinds.
func fits(kinds string, args []word) bool {
	for i := range kinds {
		k := kinds[i] | 0x20
		switch {
		case len(args) == 0:
			return kinds[i] != k
		case args[0].kind != kind(k):
			return false
		}
		args = args[1:]
	}
	return len(args) == 0
}

// lost ends the connection for an error of reading.
func (c *conn) lost(err error) {
	c.Quiet()
	switch {
	case errors.Is(err, acceptor.ErrDraining), c.Stopped():
		c.bye("TRYLATER", "The server is going down")
	case errors.Is(err, acceptor.ErrLineEndless):
		c.bye("", "Your line has no end")
	case acceptor.IsTimeout(err):
		c.bye("", "You were idle for too long")
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		c.closing = true
	default:
		c.closing = true
		c.log(slog.LevelDebug, "connection lost", slog.Any("error", err))
	}
}

func (c *conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !c.Logs(level) {
		return
	}
	if c.name != "" {
		attrs = append(attrs, slog.String("user", c.name))
	}
	c.Log(level, msg, attrs...)
}

// ok, no and bye are the responses (RFC 5804 section 1.3), with a response code
// without its brackets perhaps.
func (c *conn) ok(code, text string) { c.respond("OK", code, text) }

func (c *conn) no(code, text string) {
	c.refused = true
	c.respond("NO", code, text)
}

// bye ends the connection.
func (c *conn) bye(code, text string) {
	if !c.closing {
		c.closing = true
		c.respond("BYE", code, text)
	}
}

func (c *conn) respond(word, code, text string) {
	c.WriteString(word)
	if code != "" {
		c.WriteString(" (" + code + ")")
	}
	c.WriteString(" ")
	c.text([]byte(text))
	c.WriteString("\r\n")
}

// maxQuoted is the longest string that is sent quoted (RFC 5804 section 4).
const maxQuoted = 1024

// text queues a string: quoted, or as a literal.
func (c *conn) text(s []byte) {
	if len(s) <= maxQuoted && !bytes.ContainsAny(s, "\r\n\x00") {
		c.Write(quote(nil, s))
		return
	}
	c.literalOut(s)
}

// literalOut queues a literal.
func (c *conn) literalOut(s []byte) {
	b := make([]byte, 0, 16)
	b = append(appendInt(append(b, '{'), len(s)), "}\r\n"...)
	c.Write(b)
	c.Write(s)
}

// quote appends a quoted string.
func quote(b, s []byte) []byte {
	b = append(b, '"')
	for _, x := range s {
		if x == '"' || x == '\\' {
			b = append(b, '\\')
		}
		b = append(b, x)
	}
	return append(b, '"')
}
