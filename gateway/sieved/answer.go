package sieved

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// errSaid says that the answer has been given.
var errSaid = errors.New("sieved: said already")

// refusals are what errors mean (RFC 5804 section 1.3).
var refusals = []struct {
	err        error
	code, text string
}{
	{mailbox.ErrNoScript, "NONEXISTENT", "There is no such script"},
	{mailbox.ErrExists, "ALREADYEXISTS", "There is such a script already"},
	{mailbox.ErrActive, "ACTIVE", "The active script cannot be deleted"},
	{mailbox.ErrLimit, "QUOTA/MAXSCRIPTS", "There would be too many scripts"},
	{mailbox.ErrTooBig, "QUOTA/MAXSIZE", "The script is too large"},
	{mailbox.ErrQuota, "QUOTA", "There is no room for it: over quota"},
	{mailbox.ErrName, "", "No script can have this name"},
	{account.ErrCredentials, "", "Authentication failed"},
	{account.ErrThrottled, "TRYLATER", "Too many failures; try again later"},
	{account.ErrTemporary, "TRYLATER", "Authentication is not possible now; try again later"},
	{account.ErrExchange, "", "The exchange was cancelled or is malformed"},
	{mailbox.ErrClosed, "TRYLATER", "The server is going down"},
	{context.DeadlineExceeded, "TRYLATER", "It took too long"},
}

// answer decides what a client hears of an error; nil: OK.
func (c *conn) answer(verb string, err error) {
	switch {
	case err == nil:
		c.ok("", verb+" completed")
		return
	case errors.Is(err, errSaid):
		return
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			c.no(r.code, r.text)
			return
		}
	}
	c.log(slog.LevelError, "command failed", slog.String("verb", verb), slog.Any("error", err))
	c.no("TRYLATER", "Something went wrong here; try again later")
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
