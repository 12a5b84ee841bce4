package sieved_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sieve"
	"github.com/gapura-mail/gapura/gateway/sieved"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accounts know every name, with the password "secret".
type accounts struct{}

func (accounts) Mechanisms(p account.Peer) []string {
	if p.TLS == nil {
		return nil
	}
	return []string{"PLAIN", "STEPS"}
}

func (accounts) Authenticate(_ context.Context, p account.Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (account.Identity, error) {
	if initial == nil || mechanism == "STEPS" {
		var err error
		if initial, err = ask([]byte("challenge")); err != nil {
			return account.Identity{}, err
		}
	}
	f := strings.Split(string(initial), "\x00")
	switch {
	case len(f) != 3 || p.Service != "sieve":
		return account.Identity{}, account.ErrExchange
	case f[1] == "away":
		return account.Identity{}, account.ErrTemporary
	case f[1] == "panics":
		panic("test")
	case f[2] != "secret":
		return account.Identity{}, account.ErrCredentials
	}
	return account.Identity{User: f[1]}, nil
}

// memory is users with scripts in memory.
type memory struct {
	list []mailbox.Script
	fail error
}

func (m *memory) User(context.Context, string) (sieved.User, error) { return m, nil }

func (m *memory) find(name string) int {
	return slices.IndexFunc(m.list, func(s mailbox.Script) bool { return s.Name == name })
}

func (m *memory) Scripts(context.Context) ([]mailbox.Script, error) { return m.list, m.fail }

func (m *memory) Script(_ context.Context, name string) (mailbox.Script, error) {
	if i := m.find(name); i >= 0 {
		return m.list[i], nil
	}
	return mailbox.Script{}, mailbox.ErrNoScript
}

func (m *memory) PutScript(_ context.Context, name string, data []byte) error {
	if i := m.find(name); i >= 0 {
		m.list[i].Data = data
		return nil
	}
	m.list = append(m.list, mailbox.Script{Name: name, Data: data})
	return nil
}

func (m *memory) RoomForScript(_ context.Context, name string, size int64) error {
	switch {
	case name == "" || strings.ContainsAny(name, "\r\n\x00"):
		return mailbox.ErrName
	case m.find(name) < 0 && len(m.list) == 3:
		return mailbox.ErrLimit
	case size > 100<<10:
		return mailbox.ErrTooBig
	}
	return nil
}

func (m *memory) RenameScript(_ context.Context, from, to string) error {
	i := m.find(from)
	switch {
	case i < 0:
		return mailbox.ErrNoScript
	case m.find(to) >= 0:
		return mailbox.ErrExists
	}
	m.list[i].Name = to
	return nil
}

func (m *memory) DeleteScript(_ context.Context, name string) error {
	i := m.find(name)
	switch {
	case i < 0:
		return mailbox.ErrNoScript
	case m.list[i].Active:
		return mailbox.ErrActive
	}
	m.list = slices.Delete(m.list, i, i+1)
	return nil
}

func (m *memory) ActivateScript(_ context.Context, name string) error {
	if name != "" && m.find(name) < 0 {
		return mailbox.ErrNoScript
	}
	for i := range m.list {
		m.list[i].Active = m.list[i].Name == name
	}
	return nil
}

// compile takes scripts without "bad".
func compile(script []byte, _ sieve.Options) ([]*sieve.Error, error) {
	switch {
	case bytes.Contains(script, []byte("bad")):
		return nil, sieve.Errors{{Pos: sieve.Pos{Line: 1, Column: 2}, Message: `unknown "bad"`}, {Pos: sieve.Pos{Line: 3, Column: 4}, Message: "another"}}
	case bytes.Contains(script, []byte("odd")):
		return []*sieve.Error{{Pos: sieve.Pos{Line: 1, Column: 1}, Message: "this is odd"}}, nil
	}
	return nil, nil
}

func newServer(t testing.TB, opt sieved.Options, u sieved.Users) *sieved.Server {
	t.Helper()
	opt.Hostname, opt.Listener = "sieve.example.test", "managesieve"
	if opt.PlaintextFrom == nil {
		opt.PlaintextFrom = acceptortest.Everywhere
	}
	s, err := sieved.New(opt, sieved.Deps{Accounts: accounts{}, Users: u, Compile: compile})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client is one end of a pipe whose other end a server has.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func dial(t testing.TB, s *sieved.Server) *client {
	nc, _ := acceptortest.Dial(t, s.ServeConn)
	return &client{nc, t, bufio.NewReader(nc)}
}

// reply reads up to OK, NO or BYE, and returns all.
func (c *client) reply() string {
	c.t.Helper()
	var b strings.Builder
	for {
		l, err := c.r.ReadString('\n')
		if b.WriteString(l); err != nil {
			c.t.Fatalf("%q, %v", b.String(), err)
		}
		for _, word := range []string{"OK", "NO", "BYE"} {
			if strings.HasPrefix(l, word) {
				return b.String()
			}
		}
	}
}

// say sends a command; the reply must have all that is wanted, in order.
func (c *client) say(line string, want ...string) string {
	c.t.Helper()
	go io.WriteString(c.Conn, line+"\r\n")
	return c.expect(want...)
}

func (c *client) expect(want ...string) string {
	c.t.Helper()
	got := c.reply()
	rest := got
	for _, w := range want {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			c.t.Fatalf("%q has no %q", got, w)
		}
		rest = after
	}
	return got
}

func (c *client) login() {
	c.t.Helper()
	c.expect("OK")
	c.say(`AUTHENTICATE "PLAIN" "`+plain+`"`, "OK")
}
