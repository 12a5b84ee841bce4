package account

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

// Bounds of what clients send.
const (
	maxResponse  = 12288 // octets of a response (RFC 4954 section 4)
	maxNonce     = 256   // octets of a SCRAM nonce
	maxExtension = 16    // attributes of a SCRAM message
)

// Names of mechanisms.
const (
	mechPlain     = "PLAIN"
	mechLogin     = "LOGIN"
	mechSCRAM     = "SCRAM-SHA-256"
	mechSCRAMPlus = "SCRAM-SHA-256-PLUS"
	mechBearer    = "OAUTHBEARER"
	mechXOAuth2   = "XOAUTH2"
	mechExternal  = "EXTERNAL"
)

// exchange is one run of a mechanism.
type exchange struct {
	a       *Accounts
	set     *settings
	peer    Peer
	initial []byte // nil: none was sent, or it has been used
	ask     func([]byte) ([]byte, error)
	at      *attempt
	claimed string // name that the client gave, for the log
	mark    mark   // of the wrong password
	waited  bool   // it went away rather than wait
	asks    bool   // it has no token, and asks which is wanted: no guess
}

// mechanism is the server's side of one SASL mechanism. It fails as
// Authenticate does.
type mechanism func(x *exchange, ctx context.Context) (Identity, error)

// mechanisms are all that can be offered.
var mechanisms = map[string]mechanism{
	mechPlain:     (*exchange).plain,
	mechLogin:     (*exchange).login,
	mechSCRAM:     (*exchange).scram,
	mechSCRAMPlus: (*exchange).scramPlus,
	mechBearer:    (*exchange).bearer,
	mechXOAuth2:   (*exchange).xoauth2,
	mechExternal:  (*exchange).external,
}

// response returns the client's first response, which it may have sent with
// the command.
func (x *exchange) response(ctx context.Context) ([]byte, error) {
	if b := x.initial; b != nil {
		x.initial = nil
		return b, checkResponse(b)
	}
	return x.challenge(ctx, nil)
}

// challenge sends a challenge and returns the response.
func (x *exchange) challenge(ctx context.Context, c []byte) ([]byte, error) {
	b, err := x.ask(c)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExchange, err)
	}
	return b, checkResponse(b)
}

func checkResponse(b []byte) error {
	if len(b) > maxResponse {
		return malformed("a response of more than %d octets", maxResponse)
	}
	if !utf8.Valid(b) {
		return malformed("a response that is not UTF-8")
	}
	return nil
}

// malformed is an ErrExchange with a reason for the log.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrExchange, fmt.Sprintf(format, args...))
}

// DecodeResponse decodes a client's response: base64 with its padding and
// nothing else in it. An initial one that is empty is written "=" (RFC 4954
// section 4, RFC 5034 section 4). The error wraps ErrExchange.
func DecodeResponse(s []byte, initial bool) ([]byte, error) {
	if initial && string(s) == "=" {
		return []byte{}, nil
	}
	if bytes.ContainsAny(s, "\r\n") { // which the decoder would pass over
		return nil, malformed("line ends in base64")
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Strict().Decode(b, s)
	if err != nil {
		return nil, malformed("not base64")
	}
	return b[:n], nil
}
