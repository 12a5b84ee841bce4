package sieved

import (
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/deadline"
)

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
	x := account.Lines{Turn: c.challenge}
	acceptor.Aside(func() { err = c.enter(ctx, &x, mechanism, initial) })
	switch {
	case x.Lost != nil:
		c.lost(x.Lost)
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
func (c *conn) enter(ctx *deadline.Context, x *account.Lines, mechanism string, initial []byte) error {
	id, err := c.srv.deps.Accounts.Authenticate(ctx, c.peer(), mechanism, initial, x.Ask)
	if err != nil {
		return err
	}
	if c.user, err = c.srv.deps.Users.User(ctx, id.User); err != nil {
		c.user = nil
		return err
	}
	c.name = id.User
	c.LogIn(id.User, id.Authenticated)
	return nil
}

// challenge sends one and reads the answer.
func (c *conn) challenge(text string) ([]byte, error) {
	c.text([]byte(text))
	c.WriteString("\r\n")
	return c.response()
}

// mechanisms are those of SASL that may be used now.
func (c *conn) mechanisms() []string { return c.srv.deps.Accounts.Mechanisms(c.peer()) }

// peer is the client as accounts know it.
func (c *conn) peer() account.Peer {
	return account.Peer{Addr: c.Remote.Addr().Unmap(), TLS: c.Secure(c.set.PlaintextFrom), Service: "sieve"}
}
