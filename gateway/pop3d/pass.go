package pop3d

import (
	"bytes"
	"slices"

	"github.com/gapura-mail/gapura/gateway/account"
)

var errUser = &refusal{"", "Say USER first"}

// pass is PASS (RFC 1939 section 7). A password may have spaces.
func (c *conn) pass(arg []byte) error {
	name := c.name
	c.name = ""
	switch {
	case !c.mayLogIn():
		return errPrivacy
	case name == "":
		return errUser
	case bytes.IndexByte(arg, 0) >= 0:
		return errForm
	}
	initial := append(append(append([]byte("\x00"), name...), 0), arg...)
	clear(arg)
	return c.login("PLAIN", initial, func([]byte) ([]byte, error) { return nil, account.ErrExchange })
}

// mayLogIn tells whether secrets may be sent here.
func (c *conn) mayLogIn() bool { return c.Secure(c.set.PlaintextFrom) != nil }

// passwords tells whether USER and PASS are any good.
func (c *conn) passwords() bool { return slices.Contains(c.mechanisms(), "PLAIN") }

// mechanisms are those of SASL that may be used now.
func (c *conn) mechanisms() []string { return c.srv.deps.Accounts.Mechanisms(c.peer()) }

// peer is the client as accounts know it.
func (c *conn) peer() account.Peer {
	return account.Peer{Addr: c.Remote.Addr().Unmap(), TLS: c.Secure(c.set.PlaintextFrom), Service: "pop3"}
}
