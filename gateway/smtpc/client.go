package smtpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Client is one connection to a server. Its methods must not be called at the
// same time, but for Close.
type Client struct {
	opt    Options
	sock   net.Conn // the socket
	conn   net.Conn // the socket or the TLS on it
	in     *bufio.Reader
	out    *buffer   // pending output; nil while nothing is sent
	vec    [2][]byte // for writev, kept here so that it is not allocated
	bufs   net.Buffers
	parser smtp.ReplyParser
	dots   smtp.DotWriter // of the message that is sent by DATA
	chunk  chunk          // of the one that is sent by BDAT

	ctx    context.Context // of the operation that runs
	onDone func()          // c.interrupt, made once
	ext    Extensions
	tls    *tls.ConnectionState

	peek     peeker
	readBy   time.Time // deadlines that are set
	writeBy  time.Time
	broken   bool
	small    bool // the message is sent in one write
	inline   bool // ... with its envelope
	sentAll  bool // the last octet of the message was handed to the network
	mails    int  // transactions begun
	lastSign time.Time
}

// Dial connects, waits for the greeting, says hello, starts TLS and
// authenticates as opt says. network is tcp or unix. The error is an *Error.
func Dial(ctx context.Context, network, addr string, opt Options) (*Client, error) {
	opt = opt.withDefaults()
	dctx, cancel := context.WithTimeout(ctx, opt.Timeouts.Connect)
	defer cancel()
	dial := opt.Dialer
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(dctx, network, addr)
	if err != nil {
		return nil, &Error{Step: StepConnect, Err: err}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return newClient(ctx, conn, host, opt)
}

func newClient(ctx context.Context, conn net.Conn, name string, opt Options) (*Client, error) {
	c := &Client{opt: opt, sock: conn, conn: conn}
	c.onDone = c.interrupt
	c.peek.init(conn)
	stop := c.begin(ctx)
	err := c.open(name)
	if !c.end(stop) && err == nil {
		err = c.fail(StepHello, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// open does all that comes before the first transaction.
func (c *Client) open(name string) error {
	if c.opt.TLS == TLSImplicit {
		if err := c.handshake(name); err != nil {
			return err
		}
	}
	c.in = bufio.NewReaderSize(c.conn, 2*MaxReplyLine)
	if err := c.greeting(); err != nil {
		return err
	}
	if err := c.hello(); err != nil {
		return err
	}
	if c.opt.TLS == TLSOpportunistic || c.opt.TLS == TLSRequired {
		if err := c.startTLS(name); err != nil {
			return err
		}
	}
	if c.opt.Auth != nil {
		return c.authenticate(c.opt.Auth, name)
	}
	return nil
}

func (c *Client) greeting() error {
	r, err := c.reply(StepGreeting, c.opt.Timeouts.Greeting)
	if err != nil {
		return err
	}
	if r.Code != 220 {
		return c.refused(StepGreeting, r)
	}
	return nil
}

// hello says EHLO, and HELO to a server that does not know it (RFC 5321
// section 3.2), or LHLO.
func (c *Client) hello() error {
	verb := "EHLO "
	if c.opt.LMTP {
		verb = "LHLO "
	}
	r, err := c.command(StepHello, verb+c.opt.Hello)
	if err != nil {
		return err
	}
	if r.Code/100 == 2 {
		c.ext = parseExtensions(r.Text)
		c.ext.Pipelining = c.ext.Pipelining && !c.opt.NoPipelining
		c.ext.Chunking = c.ext.Chunking && !c.opt.NoChunking
		return nil
	}
	if c.opt.LMTP || !r.Permanent() {
		return c.refused(StepHello, r)
	}
	if r, err = c.command(StepHello, "HELO "+c.opt.Hello); err != nil {
		return err
	}
	if r.Code/100 != 2 {
		return c.refused(StepHello, r)
	}
	c.ext = Extensions{}
	return nil
}

// Extensions is what the server offered last.
func (c *Client) Extensions() *Extensions { return &c.ext }

// TLS returns the state of the TLS connection, nil in plaintext.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Mails counts the transactions that were begun on the connection.
func (c *Client) Mails() int { return c.mails }

// Usable tells whether another transaction may be begun: nothing broke and
// the server's MAILMAX is not reached. It does not look at the network.
func (c *Client) Usable() bool {
	return !c.broken && (c.ext.MaxMails == 0 || c.mails < c.ext.MaxMails)
}

// Alive is Usable for a connection that was idle: it also looks, without
// waiting, whether the server has closed it or said something unasked, which
// can only be 421.
func (c *Client) Alive() bool {
	return c.Usable() && c.in.Buffered() == 0 && c.quiet()
}

// Close drops the connection at once. It may be called at any time.
func (c *Client) Close() error {
	return c.sock.Close()
}

// Quit says QUIT, waits shortly for the answer and closes.
func (c *Client) Quit(ctx context.Context) {
	if !c.broken {
		stop := c.begin(ctx)
		c.put("QUIT\r\n")
		if c.flush(StepReset, c.opt.Timeouts.Quit) == nil {
			_, _ = c.reply(StepReset, c.opt.Timeouts.Quit)
		}
		c.end(stop)
	}
	c.hangUp()
}

// hangUp closes after an operation.
func (c *Client) hangUp() {
	c.broken = true
	_ = c.sock.Close()
}

// begin makes ctx interrupt what follows; end ends that.
func (c *Client) begin(ctx context.Context) (stop func() bool) {
	c.ctx = ctx
	if ctx.Done() == nil {
		return nil
	}
	return context.AfterFunc(ctx, c.onDone)
}

// end tells whether ctx left the connection whole.
func (c *Client) end(stop func() bool) bool {
	c.ctx = nil
	c.release()
	if stop != nil && !stop() {
		c.broken = true
		return false
	}
	return true
}

// interrupt closes the socket under whoever reads or writes.
func (c *Client) interrupt() { _ = c.sock.Close() }

// fail closes the connection and says why.
func (c *Client) fail(step Step, err error) error {
	c.hangUp()
	if c.ctx != nil && c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	}
	return &Error{Step: step, Err: err, Ambiguous: c.sentAll}
}

// refused closes the connection after a reply that ends the session.
func (c *Client) refused(step Step, r smtp.Reply) error {
	c.hangUp()
	return &Error{Step: step, Reply: r}
}

// command sends one line and reads the reply to it.
func (c *Client) command(step Step, line string) (smtp.Reply, error) {
	c.put(line + "\r\n")
	if err := c.flush(step, c.opt.Timeouts.Command); err != nil {
		return smtp.Reply{}, err
	}
	return c.reply(step, c.opt.Timeouts.Command)
}

// protocol closes the connection of a server that answered a command with a
// reply that it cannot have.
func (c *Client) protocol(step Step, r smtp.Reply) error {
	return c.fail(step, fmt.Errorf("%w: %s", ErrProtocol, r.Error()))
}
