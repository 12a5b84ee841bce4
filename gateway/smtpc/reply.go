package smtpc

import (
	"bufio"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// readReply reads one reply of any number of lines (RFC 5321 section 4.2.1).
// All of it must be there within timeout.
func (c *Client) readReply(timeout time.Duration) (smtp.Reply, error) {
	c.readWithin(timeout)
	for {
		line, err := c.readLine()
		if err != nil {
			return smtp.Reply{}, err
		}
		r, done, err := c.parser.Add(line)
		if err != nil {
			return smtp.Reply{}, fmt.Errorf("%w: %w: %.60q", ErrProtocol, err, line)
		}
		if done {
			return r, nil
		}
	}
}

// readLine reads a line. Of one that is too long the beginning is kept, which
// has all that counts: to misunderstand a 250 is to send the message again.
func (c *Client) readLine() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if len(line) <= MaxReplyLine {
		return line, err
	}
	kept := append([]byte(nil), line[:MaxReplyLine]...)
	for n := len(line); errors.Is(err, bufio.ErrBufferFull); n += len(line) {
		if n > maxLongLine {
			return nil, fmt.Errorf("%w: line longer than %d", ErrProtocol, maxLongLine)
		}
		line, err = c.in.ReadSlice('\n')
	}
	return kept, err
}
