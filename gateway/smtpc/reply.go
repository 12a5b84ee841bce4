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
		line, err := c.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(line) > MaxReplyLine {
			return smtp.Reply{}, fmt.Errorf("%w: line longer than %d", ErrProtocol, MaxReplyLine)
		}
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
