package imapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// Replies to APPEND.
var (
	replyTryCreate = reply{no, "TRYCREATE", "There is no such mailbox"}
	replyTooBig    = reply{no, "TOOBIG", "The message is too big"}
	replyTooMany   = reply{no, "LIMIT", "Too many messages in one APPEND"}
	replyEmpty     = reply{no, "", "Cancelled: the message is empty"} // RFC 3502 section 3
)

// appending is one APPEND: all its messages are stored, or none.
type appending struct {
	c       *conn
	folder  string
	items   []mailbox.Item
	octets  int64
	refusal reply // it will not be done; what comes is read and dropped
	began   time.Time
}

// append is APPEND (RFC 9051 section 6.3.12) of one message or several (RFC
// 3502). Messages are stored as they arrive.
func (c *conn) append(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	a := appending{c: c, began: time.Now()}
	defer a.discard()
	var m imap.AppendMessage
	if !d.ParseAppend(&a.folder, &m) {
		return a.malformed(d.Err(), bytes.TrimRight(c.nc.Buffered()[:c.used], "\r\n"))
	}
	if err := a.place(ctx); err != nil {
		return reply{}, err
	}
	for {
		if err := a.message(&m); err != nil {
			return reply{}, err
		}
		line, err := c.line(c.set.Limits.CommandSize)
		switch {
		case errors.Is(err, errLost):
			return reply{}, err
		case err != nil:
			return reply{bad, "TOOBIG", "Sorry, " + err.Error()}, nil
		}
		if m.UTF8 {
			if len(line) == 0 || line[0] != ')' {
				return reply{bad, "", "Malformed: UTF8 without its end"}, nil
			}
			line = line[1:]
		}
		if len(line) == 0 {
			return a.end()
		}
		d.Reset(line)
		if !d.AppendMessage(&m) {
			return a.malformed(d.Err(), line)
		}
	}
}

// malformed answers what is no APPEND, after the literal that comes unasked.
func (a *appending) malformed(err error, text []byte) (reply, error) {
	c := a.c
	lit, ok := imap.LiteralAtEnd(text)
	c.consume()
	if ok && lit.NonSync {
		if err := a.skip(lit.Size); err != nil {
			return reply{}, err
		}
		if _, err := c.line(c.set.Limits.CommandSize); errors.Is(err, errLost) {
			return reply{}, err
		}
	}
	return reply{}, err
}

// place sees whether there is a folder to append to.
func (a *appending) place(ctx context.Context) error {
	c := a.c
	c.consume()
	_, err := c.user.Folder(ctx, a.folder)
	if errors.Is(err, mailbox.ErrNoFolder) {
		a.refusal, err = replyTryCreate, nil
	}
	return err
}

// message reads one message.
func (a *appending) message(m *imap.AppendMessage) error {
	c := a.c
	switch {
	case a.refusal.status != none:
	case m.Size > c.set.Limits.Message:
		a.refusal = replyTooBig
	case len(a.items) >= c.set.Limits.Messages:
		a.refusal = replyTooMany
	case m.Size == 0:
		a.refusal = replyEmpty
	default:
		a.octets += m.Size
		err := c.srv.deps.Store.Room(c.nc.Context(), c.user.Name(), a.octets)
		if err != nil && !errors.Is(err, mailbox.ErrNoUser) {
			a.refusal = c.explain(err)
		}
	}
	if a.refusal.status != none {
		if !m.NonSync {
			return errRefused{a.refusal}
		}
		return a.skip(m.Size)
	}
	if !m.NonSync {
		c.write("+ Go on\r\n")
	}
	src := &literal{a: a, left: m.Size}
	o, err := c.srv.deps.Store.Put(c.nc.Context(), m.Size, src)
	switch {
	case src.lost != nil:
		return src.lost
	case err != nil:
		a.refusal = c.explain(err)
		if c.closing {
			return errLost
		}
		return a.skip(src.left)
	}
	a.items = append(a.items, mailbox.Item{Object: o, Flags: flagNames(&m.Flags), Date: m.Date})
	return nil
}

// errRefused ends a command with a reply that is decided.
type errRefused struct{ reply reply }

func (e errRefused) Error() string { return e.reply.text }

// end stores what came.
func (a *appending) end() (reply, error) {
	c := a.c
	if a.refusal.status != none {
		return a.refusal, nil
	}
	ctx := c.limited() // anew: the messages took their time
	defer ctx.Cancel()
	places, err := c.user.Append(ctx, a.folder, a.items...)
	if errors.Is(err, mailbox.ErrNoFolder) {
		return replyTryCreate, nil
	}
	if err != nil {
		return reply{}, err
	}
	c.srv.count.appended(a.octets)
	a.items = nil
	var uids mailbox.UIDs
	for _, p := range places {
		uids.Add(p.UID)
	}
	code := strconv.AppendUint([]byte("APPENDUID "), uint64(places[0].Validity), 10) // RFC 9051 section 7.1
	return reply{ok, string(appendUIDs(append(code, ' '), uids)), "Appended"}, nil
}

// discard gives up what was not stored.
func (a *appending) discard() {
	for i := range a.items {
		a.items[i].Object.Discard()
	}
}

// skip drops n octets that come unasked.
func (a *appending) skip(n int64) error {
	if n > a.c.set.Limits.Message+maxSkip { // too much to wait for
		a.c.bye("TOOBIG", "The message is too big")
		return errLost
	}
	_, err := io.Copy(io.Discard, &literal{a: a, left: n})
	if err != nil && !errors.Is(err, errLost) {
		err = errLost
	}
	return err
}

// literal reads a message from the connection.
type literal struct {
	a    *appending
	left int64
	lost error
}

// Read implements io.Reader.
func (l *literal) Read(p []byte) (int, error) {
	switch {
	case l.lost != nil:
		return 0, l.lost
	case l.left == 0:
		return 0, io.EOF
	case int64(len(p)) > l.left:
		p = p[:l.left]
	}
	n, err := l.a.c.read(p)
	l.left -= int64(n)
	if err != nil {
		l.lost = err
	}
	return n, err
}

// appendUIDs writes a set that is not empty.
func appendUIDs(b []byte, u mailbox.UIDs) []byte {
	for i, r := range u {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last > r.First {
			b = strconv.AppendUint(append(b, ':'), uint64(r.Last), 10)
		}
	}
	return b
}
