package imapd

import (
	"context"
	"errors"
	"log/slog"
	"syscall"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// status is the first word of a tagged response.
type status uint8

const (
	none status = iota // there is no response, or it comes later
	ok
	no
	bad
	statuses
)

var statusNames = [statuses]string{"", "OK", "NO", "BAD"}

func (s status) String() string { return statusNames[s] }

// reply is a tagged response: a response code without its brackets, perhaps,
// and a text.
type reply struct {
	status status
	code   string
	text   string
}

func done(text string) reply { return reply{ok, "", text} }

// outOfPlace answers a command that the state does not allow.
func outOfPlace(in state) reply {
	switch {
	case in&notAuthenticated != 0:
		return reply{bad, "", "You are logged in already"}
	case in == inFolder:
		return reply{bad, "", "No mailbox is selected"}
	}
	return reply{bad, "", "Log in first"}
}

// unknown answers what is no command.
func (c *conn) unknown(err error) reply {
	if s, is := errors.AsType[*imap.SyntaxError](err); is && len(c.tag) == 0 {
		return reply{bad, "", "Malformed: " + s.Error()}
	}
	return reply{bad, "", "There is no such command"}
}

// refusals are what errors of the mailbox mean (RFC 5530, RFC 9051 section
// 7.1).
var refusals = []struct {
	err        error
	code, text string
}{
	{mailbox.ErrNoFolder, "NONEXISTENT", "There is no such mailbox"},
	{mailbox.ErrExists, "ALREADYEXISTS", "There is such a mailbox already"},
	{mailbox.ErrName, "CANNOT", "No mailbox can have this name"},
	{mailbox.ErrInbox, "CANNOT", "This cannot be done with INBOX"},
	{mailbox.ErrRole, "USEATTR", "Another mailbox has this special use, or none can have it"},
	{mailbox.ErrQuota, "OVERQUOTA", "There is no room for it: over quota"},
	{mailbox.ErrLimit, "LIMIT", "There would be too many"},
	{mailbox.ErrTooBig, "TOOBIG", "It is too big"},
	{mailbox.ErrExpunged, "EXPUNGEISSUED", "A message has been expunged meanwhile"},
	{mailbox.ErrReadOnly, "READ-ONLY", "The mailbox was opened for reading only"},
	{mailbox.ErrInUse, "INUSE", "Another session has the mailbox"},
	{context.DeadlineExceeded, "LIMIT", "It took too long"},
}

// explain is the one place that decides what a client hears of an error.
func (c *conn) explain(err error) reply {
	if s, is := errors.AsType[*imap.SyntaxError](err); is {
		return reply{bad, "", "Malformed: " + s.Error()}
	}
	if r, is := errors.AsType[*imap.Refusal](err); is {
		return reply{no, r.Code, r.Text}
	}
	if r, is := errors.AsType[errRefused](err); is {
		return r.reply
	}
	if errors.Is(err, errLost) {
		c.closing = true
		return reply{}
	}
	if errors.Is(err, mailbox.ErrGone) {
		c.bye("", "The selected mailbox has been deleted")
		return reply{}
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return reply{no, r.code, r.text}
		}
	}
	if c.nc.Context().Err() != nil || errors.Is(err, mailbox.ErrClosed) {
		c.bye("UNAVAILABLE", "The server is shutting down")
		return reply{}
	}
	c.log(slog.LevelError, "command failed", slog.String("command", string(c.cmd.Name)), slog.Any("error", err))
	if errors.Is(err, syscall.ENOSPC) {
		return reply{no, "UNAVAILABLE", "The server has no space left; try again later"}
	}
	return reply{no, "UNAVAILABLE", "Internal error; try again later"}
}
