package sieved

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/deadline"
)

// maxSteps bounds the challenges of one exchange.
const maxSteps = 16

// authenticate is AUTHENTICATE (RFC 5804 section 2.1).
func (c *conn) authenticate(ctx *deadline.Context, args []word) (err error) {
	if c.Secure(c.set.PlaintextFrom) == nil {
		c.no("ENCRYPT-NEEDED", "Say STARTTLS first: nothing secret without encryption")
		return errSaid
	}
	mechanism := strings.ToUpper(string(args[0].data))
	if !slices.Contains(c.mechanisms(), mechanism) {
		c.no("", "This mechanism is not offered")
		return errSaid
	}
	var initial []byte
	if len(args) > 1 {
		if initial, err = account.DecodeResponse(args[1].data, true); err != nil {
			return err
		}
		clear(args[1].data)
	}
	x := exchange{c: c}
	acceptor.Aside(func() { err = c.enter(ctx, &x, mechanism, initial) })
	switch {
	case x.lost != nil:
		c.lost(x.lost)
		return errSaid
	case err != nil:
		if c.failed++; c.failed >= c.set.Limits.FailedLogins {
			c.bye("", "Too many failures")
			return errSaid
		}
	}
	return err
}

// enter logs a client in who can prove who it is.
func (c *conn) enter(ctx *deadline.Context, x *exchange, mechanism string, initial []byte) error {
	id, err := c.srv.deps.Accounts.Authenticate(ctx, c.peer(), mechanism, initial, x.ask)
	if err != nil {
		return err
	}
	if c.user, err = c.srv.deps.Users.User(ctx, id.User); err != nil {
		c.user = nil
		return err
	}
	c.name = id.User
	c.LogIn(id.User)
	return nil
}

// exchange is one run of a SASL mechanism.
type exchange struct {
	c     *conn
	steps int
	lost  error // the connection has ended
	ended bool
}

// ask sends a challenge and returns the client's response.
func (x *exchange) ask(challenge []byte) ([]byte, error) {
	if x.steps++; x.ended || x.steps > maxSteps {
		return nil, fmt.Errorf("%w: no more challenges", account.ErrExchange)
	}
	x.c.text([]byte(base64.StdEncoding.EncodeToString(challenge)))
	x.c.WriteString("\r\n")
	b, err := x.c.response()
	switch {
	case err == nil && string(b) != "*":
		defer clear(b)
		return account.DecodeResponse(b, false)
	case err == nil:
		err = fmt.Errorf("%w: cancelled by the client", account.ErrExchange)
	case err != account.ErrExchange:
		x.lost = err
	}
	x.ended = true
	return nil, err
}

// mechanisms are those of SASL that may be used now.
func (c *conn) mechanisms() []string { return c.srv.deps.Accounts.Mechanisms(c.peer()) }

// peer is the client as accounts know it.
func (c *conn) peer() account.Peer {
	return account.Peer{Addr: c.Remote.Addr().Unmap(), TLS: c.Secure(c.set.PlaintextFrom), Service: "sieve"}
}
