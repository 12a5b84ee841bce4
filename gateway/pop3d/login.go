package pop3d

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// login lets a client in who can prove who it is, and gives it the maildrop.
func (c *conn) login(mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (err error) {
	var who string
	acceptor.Aside(func() {
		ctx := c.limited()
		defer ctx.Cancel()
		id, e := c.srv.deps.Accounts.Authenticate(ctx, c.peer(), mechanism, initial, ask)
		if e != nil {
			err = e
			return
		}
		c.user, who = id.User, id.Authenticated
		c.drop, err = c.open(ctx, id.User)
	})
	if err != nil {
		c.user = ""
		if c.failed++; c.failed >= c.set.Limits.FailedLogins {
			c.closing = true
		}
		return err
	}
	c.rset(nil)
	c.LogIn(c.user, who)
	return nil
}

// Waits between two tries to get a maildrop.
const (
	firstTry = 5 * time.Millisecond
	lastTry  = 250 * time.Millisecond
)

// open opens a maildrop. One that another session has, it waits for: many
// clients come back before their last connection has quite ended.
func (c *conn) open(ctx context.Context, user string) (Maildrop, error) {
	end := time.Now().Add(c.set.Limits.LockWait)
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		d, err := c.srv.deps.Maildrops.Open(ctx, user)
		if !errors.Is(err, mailbox.ErrInUse) {
			return d, err
		}
		left := time.Until(end)
		if left <= 0 || c.Draining() {
			c.log(slog.LevelInfo, "another session has the maildrop")
			return nil, err
		}
		t := time.NewTimer(min(pause, left))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}

// total says how many messages there are.
func (c *conn) total() string {
	return strconv.Itoa(c.count) + " messages (" + strconv.FormatInt(c.octets, 10) + " octets)"
}
