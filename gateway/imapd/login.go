package imapd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/imap"
)

// Replies to who logs in (RFC 5530).
var (
	replyPrivacy  = reply{no, "PRIVACYREQUIRED", "Say STARTTLS first: nothing secret without encryption"}
	replyFailed   = reply{no, "AUTHENTICATIONFAILED", "Authentication failed"}
	replyThrottle = reply{no, "LIMIT", "Too many failures; try again later"}
	replyLater    = reply{no, "UNAVAILABLE", "Authentication is not possible now; try again later"}
	replySessions = reply{no, "LIMIT", "You have too many sessions"}
)

// login is LOGIN (RFC 9051 section 6.2.3).
func (c *conn) login(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var name, password []byte
	if !d.SP() || !d.Astring(&name) || !d.SP() || !d.Astring(&password) || !d.End() {
		return reply{}, d.Err()
	}
	if !c.mayLogIn() {
		return replyPrivacy, nil
	}
	if len(name) == 0 || len(password) == 0 {
		return c.refused(fmt.Errorf("%w: no name or no password", account.ErrCredentials)), nil
	}
	// As PLAIN (RFC 4616), in which NUL parts the fields; the Decoder lets none
	// through.
	initial := make([]byte, 0, len(name)+len(password)+2)
	initial = append(append(append(append(initial, 0), name...), 0), password...)
	clear(password) // the input's buffer goes back to a pool
	id, err := c.srv.deps.Accounts.Authenticate(ctx, c.peer(), "PLAIN", initial, nobodyAsks)
	if err != nil {
		return c.refused(err), nil
	}
	return c.enter(ctx, id)
}

// nobodyAsks is for exchanges that have all they need.
func nobodyAsks([]byte) ([]byte, error) { return nil, errors.New("imapd: LOGIN has no challenges") }

// refused answers a failed login.
func (c *conn) refused(err error) reply {
	c.failed++
	r := replyLater
	switch {
	case errors.Is(err, account.ErrCredentials):
		r = replyFailed
	case errors.Is(err, account.ErrThrottled):
		r = replyThrottle
	case errors.Is(err, account.ErrExchange):
		r = reply{bad, "", "The exchange is malformed, or was given up"}
	case errors.Is(err, account.ErrTemporary):
	case errors.Is(err, context.DeadlineExceeded):
	default:
		c.log(slog.LevelError, "authentication failed", slog.Any("error", err))
	}
	if c.failed >= c.set.Limits.FailedLogins {
		c.finish(c.cmd.Name, r)
		c.bye("", "Too many failed logins")
		return reply{}
	}
	return r
}

// enter begins the session of who has authenticated.
func (c *conn) enter(ctx context.Context, id account.Identity) (reply, error) {
	if !c.srv.enter(id.User, c.set.Limits.Sessions) {
		return replySessions, nil
	}
	c.account = id.User
	user, err := c.srv.deps.Store.User(ctx, id.User)
	if err != nil {
		c.deauthenticate()
		return reply{}, err
	}
	c.user, c.state = user, authenticated
	c.nc.LogIn(id.User, id.Authenticated)
	return reply{ok, c.caps(), "Logged in"}, nil
}

// deauthenticate forgets who is logged in.
func (c *conn) deauthenticate() {
	c.stopNotify()
	if c.account != "" {
		c.srv.leave(c.account)
		c.nc.LogIn()
	}
	c.account, c.user, c.state, c.enabled, c.w.UTF8 = "", nil, notAuthenticated, 0, false
}
