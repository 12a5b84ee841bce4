package account

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// maxChallenges bounds the challenges of one exchange.
const maxChallenges = 16

// Lines asks a client for its responses in protocols whose exchanges are lines
// of base64, in which "*" gives up: POP3 (RFC 5034), IMAP (RFC 9051 section
// 6.2.2), ManageSieve (RFC 5804 section 2.1). One is for one exchange.
type Lines struct {
	// Turn sends a challenge, which is base64, and returns the line that
	// answers it. Its errors end the exchange; those that do not wrap
	// ErrExchange end the connection.
	Turn func(challenge string) ([]byte, error)

	Cancelled bool  // by the client
	Lost      error // why the connection ended
	steps     int
	ended     bool
}

// Ask is for Authenticate. The error wraps ErrExchange.
func (l *Lines) Ask(challenge []byte) ([]byte, error) {
	if l.steps++; l.ended || l.steps > maxChallenges {
		return nil, malformed("no more challenges")
	}
	line, err := l.Turn(base64.StdEncoding.EncodeToString(challenge))
	if err != nil {
		l.ended = true
		if !errors.Is(err, ErrExchange) {
			l.Lost = err
			err = fmt.Errorf("%w: %w", ErrExchange, err)
		}
		return nil, err
	}
	if string(line) == "*" {
		l.ended, l.Cancelled = true, true
		return nil, malformed("cancelled by the client")
	}
	defer clear(line)
	return DecodeResponse(line, false)
}
