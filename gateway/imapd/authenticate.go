package imapd

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/imap"
)

// maxResponse is the length of a line of an exchange in octets, as in SMTP
// (RFC 4954 section 4).
const maxResponse = 12288

// authenticate is AUTHENTICATE, with an initial response perhaps (RFC 9051
// section 6.2.2, RFC 4959).
func (c *conn) authenticate(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var word, first []byte
	if !d.SP() || !d.Atom(&word) {
		return reply{}, d.Err()
	}
	if d.Take(' ') {
		first = d.Rest()
	} else if !d.End() {
		return reply{}, d.Err()
	}
	mechanism := strings.ToUpper(string(word))
	if !c.mayLogIn() {
		return replyPrivacy, nil
	}
	if !slices.Contains(c.srv.deps.Accounts.Mechanisms(c.peer()), mechanism) {
		return reply{no, "CANNOT", "This mechanism is not offered"}, nil
	}
	var initial []byte
	if len(first) > 0 {
		var err error
		if initial, err = account.DecodeResponse(first, true); err != nil {
			return reply{bad, "", "The initial response is not base64"}, nil
		}
		clear(first)
	}
	c.consume()
	x := account.Lines{Turn: c.challenge}
	id, err := c.srv.deps.Accounts.Authenticate(ctx, c.peer(), mechanism, initial, x.Ask)
	switch {
	case x.Lost != nil:
		return reply{}, x.Lost
	case x.Cancelled: // RFC 9051 section 6.2.2
		c.failed++
		return reply{bad, "", "Cancelled"}, nil
	case err != nil:
		return c.refused(err), nil
	}
	return c.enter(ctx, id)
}

// challenge sends one and reads the answer.
func (c *conn) challenge(text string) ([]byte, error) {
	c.write("+ ", text, "\r\n")
	line, err := c.line(maxResponse)
	if errors.Is(err, errTooLong) {
		err = account.ErrExchange
	}
	return line, err
}

// line reads a line that is no command, of at most limit octets; it is good
// until the next read.
func (c *conn) line(limit int) ([]byte, error) {
	began := time.Now()
	for scan := 0; ; {
		b := c.nc.Buffered()
		if i := bytes.IndexByte(b[scan:], '\n'); i >= 0 {
			i += scan
			c.nc.Discard(i + 1)
			if i > limit {
				return nil, errTooLong
			}
			return bytes.TrimSuffix(b[:i], []byte("\r")), nil
		}
		if scan = len(b); scan >= limit {
			if _, err := c.skipLine(began); err != nil {
				if errors.Is(err, errEndless) {
					c.bye("", "Your line has no end")
					err = errLost
				}
				return nil, err
			}
			c.consume()
			return nil, errTooLong
		}
		if err := c.fill(began, c.nc.Full()); err != nil {
			return nil, err
		}
	}
}
