package pop3d

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
)

// maxAuthLine is the length of an AUTH command and of each line of its
// exchange in octets, as in SMTP (RFC 4954 section 4).
const maxAuthLine = 12288

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
	x := account.Lines{Turn: c.challenge}
	err := c.login(mechanism, initial, x.Ask)
	if x.Lost != nil {
		c.lost(x.Lost)
		return errSaid
	}
	return err
}

// challenge sends one and reads the answer.
func (c *conn) challenge(text string) ([]byte, error) {
	c.WriteString("+ " + text + "\r\n")
	line, err := c.readLine(maxAuthLine)
	if errors.Is(err, acceptor.ErrLineLong) {
		err = account.ErrExchange
	}
	return line, err
}

// authLine is the bound for a line that begins so: AUTH may be longer than
// others.
func authLine(begin []byte) int {
	if len(begin) >= 5 && bytes.EqualFold(begin[:5], []byte("AUTH ")) {
		return maxAuthLine
	}
	return 0
}
