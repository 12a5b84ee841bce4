package smtpd

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

const (
	// maxAuthLine is the length of an AUTH command, and of each line of its
	// exchange, with CRLF in octets (RFC 4954 sections 3 and 4).
	maxAuthLine = 12288
	// maxAuthSteps bounds the challenges of one exchange.
	maxAuthSteps = 16
)

var (
	replyAuthDone      = smtp.NewReply(235, smtp.EnhancedCode{2, 7, 0}, "authentication succeeded")
	replyAuthForm      = smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "the form is AUTH mechanism [initial-response]")
	replyAuthBase64    = smtp.NewReply(501, smtp.EnhancedCode{5, 5, 2}, "the response is not base64")
	replyAuthLong      = smtp.NewReply(500, smtp.EnhancedCode{5, 5, 6}, "the response is too long")
	replyAuthCancelled = smtp.NewReply(501, smtp.EnhancedCode{5, 7, 0}, "authentication cancelled")
	replyAuthMechanism = smtp.NewReply(504, smtp.EnhancedCode{5, 5, 4}, "this mechanism is not offered")
	replyAuthTwice     = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "you are authenticated already")
	replyAuthEHLO      = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "say EHLO first")
	replyAuthFailed    = smtp.NewReply(535, smtp.EnhancedCode{5, 7, 8}, "authentication failed")
	replyAuthLater     = smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "authentication is not possible now, try again later")
	replyAuthTLS       = smtp.NewReply(538, smtp.EnhancedCode{5, 7, 11}, "say STARTTLS first: nothing secret without encryption")
	replyWantTLS       = smtp.NewReply(530, smtp.EnhancedCode{5, 7, 0}, "say STARTTLS first")
	replyWantAuth      = smtp.NewReply(530, smtp.EnhancedCode{5, 7, 0}, "log in first: authentication is required")
)

// errAuth ends an exchange whose reply is the server's own.
var errAuth = errors.New("smtpd: the client gave the exchange up")

// mechanisms returns what the client may authenticate with now; none without
// TLS, whatever the handler would allow.
func (c *conn) mechanisms() []string {
	a, ok := c.session.(Authenticator)
	if !ok || !c.set.Auth || c.info.TLS == nil {
		return nil
	}
	return a.Mechanisms(c.info)
}

// auth lets the client say who it is (RFC 4954).
func (c *conn) auth(arg string) smtp.Reply {
	a, ok := c.session.(Authenticator)
	switch {
	case !c.set.Auth || !ok:
		return replyNotOffered
	case !c.greeted || !c.info.Extended:
		return replyAuthEHLO
	case c.chunking:
		return replyInChunks
	case c.tx != nil: // RFC 4954 section 4
		return replyNested
	case c.info.TLS == nil:
		return replyAuthTLS
	case c.info.User != "":
		return replyAuthTwice
	}
	mechanism, first, _ := strings.Cut(arg, " ")
	mechanism = strings.ToUpper(mechanism)
	offered := a.Mechanisms(c.info)
	switch {
	case mechanism == "" || strings.Contains(first, " "):
		return replyAuthForm
	case len(offered) == 0:
		return replyNotOffered
	case !slices.Contains(offered, mechanism):
		return replyAuthMechanism
	}
	x := exchange{c: c}
	var initial []byte
	if first != "" {
		if initial, ok = authText(first, true); !ok {
			return replyAuthBase64
		}
	}
	login, r, err := a.Auth(c.Context(), mechanism, initial, x.ask)
	return x.end(login, r, err)
}

// exchange is one run of a SASL mechanism.
type exchange struct {
	c       *conn
	steps   int
	refusal smtp.Reply // ours, which stands whatever the handler says
	lost    bool       // the connection has ended
}

// ask sends a challenge and returns the client's response.
func (x *exchange) ask(challenge []byte) ([]byte, error) {
	c := x.c
	if !x.refusal.IsZero() || x.lost {
		return nil, errAuth
	}
	if x.steps++; x.steps > maxAuthSteps {
		x.refusal = replyAuthFailed
		return nil, errAuth
	}
	c.send(smtp.NewReply(334, smtp.EnhancedCode{}, base64.StdEncoding.EncodeToString(challenge)))
	line, err := c.readLine(true)
	switch {
	case errors.Is(err, acceptor.ErrLineLong):
		x.refusal = replyAuthLong
	case err != nil:
		c.lost(err)
		x.lost = true
	case string(line) == "*":
		x.refusal = replyAuthCancelled
	default:
		response, ok := authText(string(line), false)
		if ok {
			return response, nil
		}
		x.refusal = replyAuthBase64
	}
	return nil, errAuth
}

// end decides the reply to the exchange.
func (x *exchange) end(login Login, r smtp.Reply, err error) smtp.Reply {
	c := x.c
	switch {
	case x.lost:
		return smtp.Reply{}
	case !x.refusal.IsZero():
		return x.refusal
	case err != nil:
		if _, is := smtp.AsReply(err); !is {
			c.answer(smtp.Reply{}, err, smtp.Reply{}) // logs it
			return replyAuthLater
		}
	}
	r = c.answer(r, err, replyAuthDone)
	if r.Positive() {
		if login.User == "" { // a handler that says neither yes nor no
			return replyAuthFailed
		}
		c.info.User = login.User
		c.LogIn(login.User, login.By)
	}
	return r
}

// authText decodes a response: base64 with its padding and nothing else in it
// (RFC 4954 section 4). An initial one that is empty is written "=".
func authText(s string, initial bool) ([]byte, bool) {
	if initial && s == "=" {
		return []byte{}, true
	}
	if strings.ContainsAny(s, "\r\n") { // which the decoder would pass over
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if b == nil {
		b = []byte{}
	}
	return b, err == nil
}

// authLine is the bound for a line that begins so: AUTH may be longer than
// others.
func authLine(begin []byte) int {
	if len(begin) >= 5 && strings.EqualFold(string(begin[:5]), "AUTH ") {
		return maxAuthLine
	}
	return 0
}
