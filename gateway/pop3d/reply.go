package pop3d

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// refusal is what a client hears instead of +OK: a response code without its
// brackets, perhaps (RFC 2449 section 8), and a text.
type refusal struct{ code, text string }

// Error implements error.
func (r *refusal) Error() string { return r.text }

var (
	errForm        = &refusal{"", "This is not the form of the command"}
	errNoMessage   = &refusal{"", "There is no such message"}
	errDeleted     = &refusal{"", "The message is marked as deleted"}
	errPrivacy     = &refusal{"", "Say STLS first: nothing secret without encryption"}
	errOffered     = &refusal{"", "This is not offered"}
	errCredentials = &refusal{"AUTH", "Authentication failed"} // RFC 3206
	errInternal    = &refusal{"SYS/TEMP", "Something went wrong here; try again later"}
	// errSaid says that the answer has been given.
	errSaid = errors.New("pop3d: said already")
)

// refusals are what errors of others mean.
var refusals = []struct {
	err error
	*refusal
}{
	{mailbox.ErrExpunged, &refusal{"", "The message has been removed meanwhile"}},
	{mailbox.ErrGone, &refusal{"SYS/TEMP", "The mailbox has gone"}},
	{mailbox.ErrInUse, &refusal{"IN-USE", "Another session has this mailbox; try again later"}},
	{mailbox.ErrClosed, &refusal{"SYS/TEMP", "The server is going down; try again later"}},
	{account.ErrCredentials, errCredentials},
	{account.ErrThrottled, &refusal{"SYS/TEMP", "Too many failures; try again later"}},
	{account.ErrTemporary, &refusal{"SYS/TEMP", "Authentication is not possible now; try again later"}},
	{account.ErrExchange, &refusal{"", "The exchange was cancelled or is malformed"}},
	{context.DeadlineExceeded, &refusal{"SYS/TEMP", "It took too long; try again later"}},
}

// answer decides what a client hears of an error.
func (c *conn) answer(verb string, err error) {
	if err == nil || errors.Is(err, errSaid) {
		return
	}
	r, is := errors.AsType[*refusal](err)
	for i := range refusals {
		if is {
			break
		}
		if errors.Is(err, refusals[i].err) {
			r, is = refusals[i].refusal, true
		}
	}
	if !is {
		r = errInternal
		c.log(slog.LevelError, "command failed", slog.String("verb", verb), slog.Any("error", err))
	}
	c.refuse(r.code, r.text)
	if r == errForm {
		c.misspoke()
	}
}

// say queues +OK with a text.
func (c *conn) say(text ...string) error {
	c.WriteString("+OK ")
	for _, t := range text {
		c.WriteString(t)
	}
	_, err := c.WriteString("\r\n")
	return err
}

// refuse queues -ERR with a response code, perhaps, and a text.
func (c *conn) refuse(code, text string) {
	c.refused = true
	c.WriteString("-ERR ")
	if code != "" {
		c.WriteString("[" + code + "] ")
	}
	c.WriteString(text)
	c.WriteString("\r\n")
}

// item queues a line of a listing.
func (c *conn) item(n int, value []byte) error {
	b, err := c.Room(2*maxDigits + maxUIDL)
	if err != nil {
		return err
	}
	b = append(strconv.AppendInt(b, int64(n), 10), ' ')
	c.SetOutput(append(append(b, value...), "\r\n"...))
	return nil
}

const (
	maxDigits = 20
	maxUIDL   = 70 // RFC 1939 section 7
)

// end ends a multi-line response.
func (c *conn) end() error {
	_, err := c.WriteString(".\r\n")
	return err
}
