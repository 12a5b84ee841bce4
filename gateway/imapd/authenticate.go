package imapd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/imap"
)

const (
	// maxResponse is the length of a line of an exchange in octets, as in SMTP
	// (RFC 4954 section 4).
	maxResponse = 12288
	// maxSteps bounds the challenges of one exchange.
	maxSteps = 16
)

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
		if initial, err = authText(first, true); err != nil {
			return reply{bad, "", "The initial response is not base64"}, nil
		}
		clear(first)
	}
	c.consume()
	x := exchange{c: c}
	id, err := c.srv.deps.Accounts.Authenticate(ctx, c.peer(), mechanism, initial, x.ask)
	switch {
	case x.lost != nil:
		return reply{}, x.lost
	case x.cancelled: // RFC 9051 section 6.2.2
		c.failed++
		return reply{bad, "", "Cancelled"}, nil
	case err != nil:
		return c.refused(err), nil
	}
	return c.enter(ctx, id)
}

// exchange is one run of a SASL mechanism.
type exchange struct {
	c         *conn
	steps     int
	lost      error // the connection has ended
	cancelled bool
}

// ask sends a challenge and returns the client's response.
func (x *exchange) ask(challenge []byte) ([]byte, error) {
	if x.lost != nil || x.cancelled {
		return nil, account.ErrExchange
	}
	if x.steps++; x.steps > maxSteps {
		return nil, fmt.Errorf("%w: too many challenges", account.ErrExchange)
	}
	x.c.write("+ ", base64.StdEncoding.EncodeToString(challenge), "\r\n")
	line, err := x.c.line(maxResponse)
	if err != nil {
		if errors.Is(err, errLost) {
			x.lost = err
		}
		return nil, err
	}
	if string(line) == "*" {
		x.cancelled = true
		return nil, fmt.Errorf("%w: cancelled by the client", account.ErrExchange)
	}
	response, err := authText(line, false)
	clear(line)
	return response, err
}

// authText decodes base64 with its padding and nothing else in it. An initial
// response that is empty is written "=" (RFC 4959 section 3).
func authText(s []byte, initial bool) ([]byte, error) {
	if initial && string(s) == "=" {
		return []byte{}, nil
	}
	if bytes.ContainsAny(s, "\r\n") { // which the decoder would pass over
		return nil, fmt.Errorf("%w: line ends in base64", account.ErrExchange)
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Strict().Decode(b, s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", account.ErrExchange, err)
	}
	return b[:n], nil
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
