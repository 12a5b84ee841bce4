package smtpc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Auth is how a client authenticates (RFC 4954).
type Auth struct {
	Identity string // to act as; "" : User
	User     string
	Password string
	Token    string // OAuth 2.0 access token; with it only OAUTHBEARER and XOAUTH2 are used
	// Mechanism forces one of SCRAM-SHA-256, PLAIN, LOGIN, OAUTHBEARER and
	// XOAUTH2; "" : the first of this order that the server offers.
	Mechanism string
	// InPlaintext allows AUTH without TLS.
	InPlaintext bool
}

func (a *Auth) order() []string {
	switch {
	case a.Mechanism != "":
		return []string{a.Mechanism}
	case a.Token != "":
		return []string{sasl.OAuthBearer, xoauth2}
	}
	return []string{scramSHA256, sasl.Plain, sasl.Login}
}

const (
	scramSHA256 = "SCRAM-SHA-256"
	xoauth2     = "XOAUTH2"
)

func (a *Auth) client(offered []string, host string) (sasl.Client, error) {
	for _, mech := range a.order() {
		if !slices.Contains(offered, mech) {
			continue
		}
		switch mech {
		case scramSHA256:
			sc, err := scram.SHA256.NewClient(a.User, a.Password, a.Identity)
			if err != nil {
				return nil, err
			}
			return &scramClient{conv: sc.NewConversation()}, nil
		case sasl.Plain:
			return sasl.NewPlainClient(a.Identity, a.User, a.Password), nil
		case sasl.Login:
			return &loginClient{a.User, a.Password, 0}, nil
		case sasl.OAuthBearer:
			return bearer(a, host), nil
		case xoauth2:
			return xoauth2Client{a.User, a.Token}, nil
		}
	}
	return nil, fmt.Errorf("%w: server offers %v", ErrNoAuth, offered)
}

func bearer(a *Auth, addr string) sasl.Client {
	opt := &sasl.OAuthBearerOptions{Username: a.User, Token: a.Token, Host: addr}
	if host, port, err := net.SplitHostPort(addr); err == nil {
		opt.Host = host
		opt.Port, _ = strconv.Atoi(port)
	}
	return sasl.NewOAuthBearerClient(opt)
}

// authenticate runs AUTH with an initial response (RFC 4954 section 4).
func (c *Client) authenticate(a *Auth, host string) error {
	if c.tls == nil && !a.InPlaintext {
		return c.fail(StepAuth, ErrPlainAuth)
	}
	mech, err := a.client(c.ext.Auth, host)
	if err != nil {
		return c.fail(StepAuth, err)
	}
	name, first, err := mech.Start()
	if err != nil {
		return c.fail(StepAuth, err)
	}
	line := "AUTH " + name
	if first != nil {
		line += " " + encode(first)
	}
	r, err := c.command(StepAuth, line)
	for range maxAuthSteps {
		if err != nil {
			return err
		}
		if r.Code != 334 {
			break
		}
		r, err = c.answer(mech, r)
	}
	switch {
	case err != nil:
		return err
	case r.Code != 235:
		return c.refused(StepAuth, r)
	}
	if s, ok := mech.(*scramClient); ok && !s.conv.Valid() {
		// The server did not prove that it knows the password.
		return c.fail(StepAuth, errNoProof)
	}
	return nil
}

var errNoProof = errors.New("server did not finish SCRAM")

// answer sends the response to one challenge, or "*" to give up.
func (c *Client) answer(mech sasl.Client, r smtp.Reply) (smtp.Reply, error) {
	challenge, err := base64.StdEncoding.DecodeString(r.Text)
	if err != nil {
		return smtp.Reply{}, c.protocol(StepAuth, r)
	}
	response, err := mech.Next(challenge)
	if err == nil {
		return c.command(StepAuth, base64.StdEncoding.EncodeToString(response))
	}
	cancelled, cerr := c.command(StepAuth, "*")
	if cerr != nil {
		return smtp.Reply{}, cerr
	}
	// With SCRAM it is we who refuse: what the server says to "*" tells nothing.
	if _, ours := mech.(*scramClient); ours || cancelled.Positive() {
		return smtp.Reply{}, c.fail(StepAuth, err)
	}
	return cancelled, nil
}

// encode writes an initial response; an empty one is "=".
func encode(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// maxIterations of SCRAM bounds what a server can make us compute: about a
// second. Few have more than 600,000.
const maxIterations = 5_000_000

// scramClient is RFC 7677 without channel binding.
type scramClient struct{ conv *scram.ClientConversation }

func (s *scramClient) Start() (string, []byte, error) {
	first, err := s.conv.Step("")
	return scramSHA256, []byte(first), err
}

func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	for attr := range strings.SplitSeq(string(challenge), ",") {
		if n, err := strconv.Atoi(strings.TrimPrefix(attr, "i=")); strings.HasPrefix(attr, "i=") && (err != nil || n > maxIterations) {
			return nil, fmt.Errorf("SCRAM: the server wants %.20s iterations, more than %d", attr[2:], maxIterations)
		}
	}
	next, err := s.conv.Step(string(challenge))
	if err != nil {
		err = fmt.Errorf("SCRAM: %w", err)
	}
	return []byte(next), err
}

// loginClient answers the two questions of LOGIN, however they are worded.
type loginClient struct {
	user, password string
	asked          int
}

func (l *loginClient) Start() (string, []byte, error) { return sasl.Login, nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte(l.user), nil
	case 2:
		return []byte(l.password), nil
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}

// xoauth2Client is the mechanism that Google and Microsoft had before RFC 7628.
type xoauth2Client struct{ user, token string }

func (x xoauth2Client) Start() (string, []byte, error) {
	return xoauth2, []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the error text that the server sends as a challenge.
func (x xoauth2Client) Next([]byte) ([]byte, error) { return []byte{}, nil }
