package imapd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// conn is one connection.
type conn struct {
	srv *Server
	set *settings
	nc  *acceptor.Conn

	job     func()        // what the crew is to do
	done    chan struct{} // a token when it has been done
	waitErr error         // how the wait before this turn ended
	panicked,
	closing bool
	resting bool // nothing came for a while, and the view has been told to rest

	state      state
	since      time.Time // it began, or UNAUTHENTICATE was used
	enabled    features
	user       *mailbox.User // who is logged in; nil: nobody
	account    string        // whose session is counted
	view       *mailbox.View // the selected folder; nil: none
	idling     bool          // in IDLE: the next line is DONE
	armed      *mailbox.View // wakes this connection; nil: none does
	notifying  *notifying    // nil: NOTIFY was not used
	compressed bool

	w      imap.Writer // all that is said goes through it, to nc
	dec    imap.Decoder
	cmd    imap.Command
	tag    []byte // of the command that runs
	used   int    // octets of it in the input
	failed int    // logins
	bad    int    // commands in succession

	selected
}

func newConn(s *Server, nc *acceptor.Conn) *conn {
	c := &conn{srv: s, set: s.set.Load(), nc: nc, state: notAuthenticated, since: nc.Started, done: make(chan struct{}, 1)}
	c.w.SetOutput(nc)
	return c
}

// restTime is after how much silence a connection gives up what it can get
// again.
const restTime = 10 * time.Second

// serve speaks with the client until one of both has enough. It has the small
// stack that waits; all else runs in the crew.
func (c *conn) serve() {
	c.run(c.greet)
	turn := c.turn
	for !c.closing {
		c.waitErr = c.nc.Wait(c.patience(), false)
		c.run(turn)
	}
	c.run(c.end)
}

// run has the crew do something, and waits for it.
func (c *conn) run(what func()) {
	c.job = what
	c.srv.crew.Go(c.work)
	<-c.done
}

// work runs the job in the crew.
func (c *conn) work() {
	defer func() {
		if p := recover(); p != nil {
			c.log(slog.LevelError, "panic", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			if !c.panicked { // else end itself did
				c.bye("SERVERBUG", "Internal error")
			}
			c.panicked = true
		}
		c.done <- struct{}{}
	}()
	c.job()
}

// patience is how long the connection may wait now.
func (c *conn) patience() time.Duration {
	switch {
	case c.state == notAuthenticated:
		return max(c.set.Limits.LoginTimeout-time.Since(c.since), time.Millisecond)
	case !c.resting:
		return restTime
	}
	return c.set.Limits.IdleTimeout
}

// end gives up what the session has.
func (c *conn) end() {
	c.unselect()
	c.deauthenticate()
	c.flush()
}

// turn reads, runs and answers what came.
func (c *conn) turn() {
	if c.waitErr != nil && !c.look(c.waitErr) {
		return
	}
	for !c.closing && !c.nc.Empty() {
		c.resting = false
		if c.idling {
			c.idleLine()
		} else {
			c.command()
		}
	}
	if !c.closing {
		c.arm()
	}
	c.flush()
}

// look decides what an end of waiting without octets means; true: go on.
func (c *conn) look(err error) bool {
	switch {
	case errors.Is(err, acceptor.ErrWoken):
		c.news()
		return true
	case acceptor.IsTimeout(err) && !c.resting && c.state != notAuthenticated:
		c.resting = true
		c.rest()
		return false
	}
	c.lost(err)
	return false
}

// rest gives up what can be got again.
func (c *conn) rest() {
	if c.view != nil {
		c.view.Rest()
	}
}

// lost ends the connection for an error of reading.
func (c *conn) lost(err error) {
	switch {
	case errors.Is(err, acceptor.ErrDraining), c.nc.Stopped():
		c.nc.Quiet()
		c.bye("UNAVAILABLE", "The server is shutting down")
	case acceptor.IsTimeout(err):
		c.nc.Quiet()
		c.bye("", "You were idle for too long") // RFC 9051 section 5.4
	default:
		c.nc.Quiet()
		c.closing = true
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			c.log(slog.LevelDebug, "connection lost", slog.Any("error", err))
		}
	}
}

// bye ends the connection.
func (c *conn) bye(code, text string) {
	if c.closing {
		return
	}
	c.closing = true
	c.write("* BYE ")
	c.writeText(code, text)
}

// limited is the context of the work for a command.
func (c *conn) limited() *deadline.Context {
	return deadline.After(c.nc.Context(), c.set.Limits.CommandTimeout)
}

// write queues pieces of a response.
func (c *conn) write(parts ...string) {
	for _, p := range parts {
		c.w.Raw(p)
	}
}

// writeText queues the end of a status response.
func (c *conn) writeText(code, text string) {
	if code != "" {
		c.write("[", code, "] ")
	}
	c.write(text, "\r\n")
}

// flush sends what is queued.
func (c *conn) flush() {
	if errors.Join(c.w.Flush(), c.nc.Flush()) != nil {
		c.nc.Quiet()
		c.closing = true
	}
}

func (c *conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !c.nc.Logs(level) {
		return
	}
	if c.account != "" {
		attrs = append(attrs, slog.String("user", c.account))
	}
	c.nc.Log(level, msg, attrs...)
}

// errLost says that the connection ended within a command; there is nobody to
// answer.
var errLost = errors.New("imapd: the connection ended")

// fill reads more of a command.
func (c *conn) fill(began time.Time, big bool) error {
	if err := c.w.Flush(); err != nil {
		c.closing = true
		return fmt.Errorf("%w: %w", errLost, err)
	}
	left := c.set.Limits.ArrivalTimeout - time.Since(began)
	if err := c.nc.Fill(max(left, time.Millisecond), big); err != nil {
		c.lost(err)
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}

// read reads octets of a message: what is buffered, or straight into p.
func (c *conn) read(p []byte) (int, error) {
	if err := c.w.Flush(); err != nil {
		c.closing = true
		return 0, fmt.Errorf("%w: %w", errLost, err)
	}
	n, err := c.nc.Read(p, c.set.Limits.ArrivalTimeout)
	if err != nil {
		c.lost(err)
		return n, fmt.Errorf("%w: %w", errLost, err)
	}
	return n, nil
}
