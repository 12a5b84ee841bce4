package pop3d

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
)

const (
	// maxAuthLine is the length of an AUTH command and of each line of its
	// exchange in octets, as in SMTP (RFC 4954 section 4).
	maxAuthLine = 12288
	// maxAuthSteps bounds the challenges of one exchange.
	maxAuthSteps = 16
)

// auth is AUTH (RFC 5034). Without an argument it lists the mechanisms, as RFC
// 1734 had it and some clients still ask.
func (c *conn) auth(arg []byte) error {
	if !c.mayLogIn() {
		return errPrivacy
	}
	mechanism, first, given := strings.Cut(string(arg), " ")
	clear(arg)
	offered := c.mechanisms()
	if mechanism == "" {
		c.say("Mechanisms follow")
		for _, m := range offered {
			c.WriteString(m + "\r\n")
		}
		return c.end()
	}
	mechanism = strings.ToUpper(mechanism)
	if !slices.Contains(offered, mechanism) {
		return errOffered
	}
	var initial []byte
	if given {
		var err error
		if initial, err = account.DecodeResponse([]byte(first), true); err != nil {
			return err
		}
	}
	x := exchange{c: c}
	err := c.login(mechanism, initial, x.ask)
	if x.lost != nil {
		c.lost(x.lost)
		return errSaid
	}
	return err
}

// exchange is one run of a SASL mechanism.
type exchange struct {
	c     *conn
	steps int
	lost  error // the connection has ended
	ended bool
}

// ask sends a challenge and returns the client's response.
func (x *exchange) ask(challenge []byte) ([]byte, error) {
	if x.steps++; x.ended || x.steps > maxAuthSteps {
		return nil, fmt.Errorf("%w: no more challenges", account.ErrExchange)
	}
	x.c.WriteString("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
	line, err := x.c.readLine(maxAuthLine)
	switch {
	case err != nil:
		x.ended = true
		if !errors.Is(err, acceptor.ErrLineLong) {
			x.lost = err
		}
		return nil, fmt.Errorf("%w: %w", account.ErrExchange, err)
	case string(line) == "*":
		x.ended = true
		return nil, fmt.Errorf("%w: cancelled by the client", account.ErrExchange)
	}
	response, err := account.DecodeResponse(line, false)
	clear(line)
	return response, err
}

// authLine is the bound for a line that begins so: AUTH may be longer than
// others.
func authLine(begin []byte) int {
	if len(begin) >= 5 && bytes.EqualFold(begin[:5], []byte("AUTH ")) {
		return maxAuthLine
	}
	return 0
}
