package imapd

import (
	"context"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/imap"
)

// capability is something that CAPABILITY tells of.
type capability struct {
	name       string
	in         state // when it is told
	canDisable bool
}

// capabilities are all that do not depend on the connection, in the order in
// which they are told. Those that matter before the login are few: many
// clients ask once for each state.
var capabilities = []capability{
	{"IMAP4rev1", anyState, false},
	{"IMAP4rev2", anyState, true},
	{"SASL-IR", anyState, false},
	{"LITERAL+", anyState, false},
	{"ID", anyState, true},
	{"ENABLE", anyState, false},
	{"IDLE", loggedIn, true},
	{"NAMESPACE", loggedIn, false},
	{"CHILDREN", loggedIn, false},
	{"UIDPLUS", loggedIn, false},
	{"UNSELECT", loggedIn, false},
	{"MOVE", loggedIn, true},
	{"SPECIAL-USE", loggedIn, false},
	{"CREATE-SPECIAL-USE", loggedIn, false},
	{"LIST-EXTENDED", loggedIn, false},
	{"LIST-STATUS", loggedIn, false},
	{"LIST-MYRIGHTS", 0, false},
	{"STATUS=SIZE", loggedIn, false},
	{"QUOTA", loggedIn, true},
	{"QUOTA=RES-STORAGE", loggedIn, false},
	{"QUOTA=RES-MESSAGE", loggedIn, false},
	{"CONDSTORE", loggedIn, true},
	{"QRESYNC", loggedIn, true},
	{"ESEARCH", loggedIn, false},
	{"SEARCHRES", loggedIn, false},
	{"WITHIN", loggedIn, false},
	{"SORT", loggedIn, true},
	{"SORT=DISPLAY", loggedIn, false},
	{"ESORT", loggedIn, false},
	{"I18NLEVEL=1", loggedIn, false},
	{"PARTIAL", loggedIn, false},
	{"THREAD=ORDEREDSUBJECT", loggedIn, true},
	{"THREAD=REFERENCES", loggedIn, true},
	{"PREVIEW", loggedIn, true},
	{"SAVEDATE", loggedIn, false},
	{"OBJECTID", loggedIn, false},
	{"BINARY", loggedIn, true},
	{"MULTIAPPEND", loggedIn, false},
	{"METADATA", loggedIn, true},
	{"LIST-METADATA", loggedIn, true},
	{"NOTIFY", loggedIn, true},
	{"UTF8=ACCEPT", loggedIn, true},
	{"UNAUTHENTICATE", loggedIn, true},
}

// needs are capabilities that make no sense without another.
var needs = map[string]string{
	"QUOTA=RES-STORAGE": "QUOTA", "QUOTA=RES-MESSAGE": "QUOTA", "QRESYNC": "CONDSTORE", "ESORT": "SORT", "SORT=DISPLAY": "SORT",
	"LIST-METADATA": "METADATA",
}

// offered are the capabilities of a state, with a space before each.
func (s *settings) offered(in state) string {
	var b strings.Builder
	for _, k := range capabilities {
		if k.in&in != 0 && s.on(k.name) && s.on(needs[k.name]) {
			b.WriteString(" " + k.name)
		}
	}
	if in&loggedIn != 0 {
		b.WriteString(" APPENDLIMIT=" + strconv.FormatInt(s.Limits.Message, 10))
	}
	return b.String()
}

// caps tells what can be done now, as CAPABILITY and the code of that name say
// it.
func (c *conn) caps() string {
	if c.state != notAuthenticated {
		s := "CAPABILITY" + c.set.inside
		if c.set.on(compressName) && !c.compressed {
			s += " " + compressName
		}
		return s
	}
	s := "CAPABILITY" + c.set.outside
	if c.nc.TLS == nil && c.set.TLS != nil {
		s += " STARTTLS"
	}
	if !c.mayLogIn() {
		return s + " LOGINDISABLED"
	}
	for _, m := range c.srv.deps.Accounts.Mechanisms(c.peer()) {
		s += " AUTH=" + m
	}
	return s
}

// mayLogIn tells whether secrets may be sent here.
func (c *conn) mayLogIn() bool { return c.nc.Secure(c.set.PlaintextFrom) != nil }

// peer is the client as accounts know it.
func (c *conn) peer() account.Peer {
	p := account.Peer{Addr: c.nc.Remote.Addr().Unmap(), TLS: c.nc.Secure(c.set.PlaintextFrom), Service: "imap"}
	if shown := c.set.Shown; shown != nil && c.nc.TLS != nil {
		p.Certificate = shown(c.nc.TLS.ServerName, c.nc.Started)
	}
	return p
}

// capability is CAPABILITY (RFC 9051 section 6.1.1).
func (c *conn) capability(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	c.write("* ", c.caps(), "\r\n")
	return done("CAPABILITY completed"), nil
}

// greet says the first words (RFC 9051 section 7.1.5).
func (c *conn) greet() {
	c.write("* OK [", c.caps(), "] ", c.set.Hostname, " is ready\r\n")
	c.flush()
}
