package imapd

import (
	"context"
	"errors"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// copyMessages is COPY and UID COPY (RFC 9051 section 6.4.7, RFC 4315).
func (c *conn) copyMessages(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var m imap.CopyMove
	if !d.CopyMove(&m) {
		return reply{}, d.Err()
	}
	uids, err := c.chosen(&m.Set, cmd.UID)
	if err != nil {
		return reply{}, err
	}
	done, err := c.view.Copy(ctx, uids, m.Mailbox)
	if err != nil {
		return tryCreate(err)
	}
	return reply{ok, copyUID(done), "Copied"}, nil
}

// move is MOVE and UID MOVE (RFC 9051 section 6.4.8): COPYUID comes before the
// messages go.
func (c *conn) move(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var m imap.CopyMove
	if !d.CopyMove(&m) {
		return reply{}, d.Err()
	}
	if c.view.ReadOnly() {
		return reply{}, mailbox.ErrReadOnly
	}
	uids, err := c.chosen(&m.Set, cmd.UID)
	if err != nil {
		return reply{}, err
	}
	moved, err := c.view.Move(ctx, uids, m.Mailbox)
	if err != nil {
		return tryCreate(err)
	}
	if code := copyUID(moved); code != "" {
		c.write("* OK [", code, "] Moved\r\n")
	}
	return c.afterExpunge(ctx, "Moved")
}

// tryCreate tells a client that it may make the mailbox (RFC 9051 section 7.1).
func tryCreate(err error) (reply, error) {
	if errors.Is(err, mailbox.ErrNoFolder) {
		return reply{no, "TRYCREATE", "There is no such mailbox"}, nil
	}
	return reply{}, err
}

// copyUID returns the response code; "": nothing was copied.
func copyUID(done *mailbox.Copied) string {
	if len(done.From) == 0 {
		return ""
	}
	var from, to imap.NumSet
	for i := range done.From {
		from.Add(done.From[i])
		to.Add(done.To[i])
	}
	b := strconv.AppendUint([]byte("COPYUID "), uint64(done.Validity), 10)
	b = append(from.Append(append(b, ' ')), ' ')
	return string(to.Append(b))
}
