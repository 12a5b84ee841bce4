package pop3d_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/pop3d"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accounts know every name, with the password "pass word".
type accounts struct{}

func (accounts) Mechanisms(p account.Peer) []string {
	if p.TLS == nil {
		return nil
	}
	return []string{"SCRAM-TEST", "PLAIN"}
}

func (accounts) Authenticate(_ context.Context, p account.Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (account.Identity, error) {
	if initial == nil {
		var err error
		if initial, err = ask(nil); err != nil {
			return account.Identity{}, err
		}
	}
	if mechanism == "SCRAM-TEST" { // one more step, and a last word of the server
		for _, s := range []string{"challenge", "proof"} {
			if b, err := ask([]byte(s)); err != nil {
				return account.Identity{}, err
			} else if s == "challenge" {
				initial = b
			}
		}
	}
	f := strings.Split(string(initial), "\x00")
	switch {
	case len(f) != 3:
		return account.Identity{}, account.ErrExchange
	case p.Service != "pop3":
		return account.Identity{}, errors.New("not pop3")
	case f[1] == "banned":
		return account.Identity{}, account.ErrThrottled
	case f[1] == "away":
		return account.Identity{}, account.ErrTemporary
	case f[1] == "broken":
		return account.Identity{}, errors.New("a secret of the server")
	case f[1] == "panics":
		panic("test")
	case f[2] != "pass word":
		return account.Identity{}, account.ErrCredentials
	}
	return account.Identity{User: f[1]}, nil
}

// memory is maildrops in memory.
type memory struct {
	mu       sync.Mutex
	users    map[string]*drop
	fail     error // of Update
	failRead error
}

type letter struct {
	uid  uint32
	text string
	seen bool
}

type drop struct {
	m      *memory
	inUse  bool
	now    []letter // what there is
	opened []letter // what the session sees
	rests  int
}

func newMemory(texts ...string) *memory {
	d := &drop{}
	for i, s := range texts {
		d.now = append(d.now, letter{uid: uint32(10 + i), text: s})
	}
	m := &memory{users: map[string]*drop{"bob": d}}
	d.m = m
	return m
}

func (m *memory) Open(_ context.Context, user string) (pop3d.Maildrop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.users[user]
	if d == nil {
		d = &drop{m: m}
		m.users[user] = d
	}
	if d.inUse {
		return nil, mailbox.ErrInUse
	}
	d.inUse = true
	d.opened = append([]letter(nil), d.now...)
	return d, nil
}

// left are the texts that bob has.
func (m *memory) left() (list []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.users["bob"].now {
		list = append(list, l.text)
	}
	return list
}

func (d *drop) find(uid uint32) *letter {
	for i := range d.now {
		if d.now[i].uid == uid {
			return &d.now[i]
		}
	}
	return nil
}

func (d *drop) Totals() (n int, octets int64) {
	for _, l := range d.opened {
		octets += int64(len(l.text))
	}
	return len(d.opened), octets
}

func (d *drop) Validity() uint32 { return 0xabcdef }
func (d *drop) UID(n int) uint32 { return d.opened[n-1].uid }
func (d *drop) Rest()            { d.m.mu.Lock(); d.rests++; d.m.mu.Unlock() }

func (d *drop) Messages(_ context.Context, first, last int, f func(m *mailbox.Message) error) error {
	for n := first; n <= last; n++ {
		l := d.opened[n-1]
		if d.find(l.uid) == nil {
			continue
		}
		if err := f(&mailbox.Message{UID: l.uid, Seq: uint32(n), Size: int64(len(l.text))}); err != nil {
			return err
		}
	}
	return nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

// failing fails where the text says so.
type failing struct {
	reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func (d *drop) Read(_ context.Context, m *mailbox.Message) (blob.Reader, error) {
	l := d.find(m.UID)
	if l == nil {
		return nil, mailbox.ErrExpunged
	}
	r := reader{bytes.NewReader([]byte(l.text))}
	if d.m.failRead != nil {
		return failing{r, d.m.failRead}, nil
	}
	return r, nil
}

func (d *drop) Update(_ context.Context, seen, removed mailbox.UIDs) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.m.fail != nil {
		return d.m.fail
	}
	var keep []letter
	for _, l := range d.now {
		l.seen = l.seen || seen.Contains(l.uid)
		if !removed.Contains(l.uid) {
			keep = append(keep, l)
		}
	}
	d.now = keep
	return nil
}

func (d *drop) Close() {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if !d.inUse {
		panic("closed twice")
	}
	d.inUse = false
}

// newServer returns a server whose clients may log in in plaintext, unless opt
// says from where.
func newServer(t testing.TB, opt pop3d.Options, drops pop3d.Maildrops) *pop3d.Server {
	t.Helper()
	opt.Hostname, opt.Listener = "pop.example.test", "pop3"
	if opt.PlaintextFrom == nil {
		opt.PlaintextFrom = acceptortest.Everywhere
	}
	s, err := pop3d.New(opt, pop3d.Deps{Accounts: accounts{}, Maildrops: drops})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client is one end of a pipe whose other end a server has.
type client struct {
	net.Conn
	t    testing.TB
	r    *bufio.Reader
	done <-chan struct{} // closed when the server is done with it
}

func dial(t testing.TB, s *pop3d.Server) *client {
	nc, done := acceptortest.Dial(t, s.ServeConn)
	return &client{nc, t, bufio.NewReader(nc), done}
}

func (c *client) line() string {
	c.t.Helper()
	l, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%q, %v", l, err)
	}
	return strings.TrimSuffix(l, "\r\n")
}

// say sends lines, and compares what comes with the prefixes of lines; the last
// of which may be several, parted by "|".
func (c *client) say(line string, want ...string) {
	c.t.Helper()
	c.send(line + "\r\n")
	c.expect(want...)
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if l := c.line(); !strings.HasPrefix(l, w) {
			c.t.Fatalf("got %q, want %q", l, w)
		}
	}
}

// expectEnd waits until the server has closed the connection, saying no more.
func (c *client) expectEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		c.t.Fatalf("at the end: %q, %v", b, err)
	}
	<-c.done
}

// login logs bob in.
func (c *client) login() {
	c.t.Helper()
	c.expect("+OK")
	c.say("USER bob", "+OK")
	c.say("PASS pass word", "+OK ")
}

// multi reads a multi-line response and takes the dots out.
func (c *client) multi() string {
	c.t.Helper()
	c.expect("+OK")
	var b strings.Builder
	for {
		l, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%q, %v", l, err)
		}
		if l == ".\r\n" {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(l, "."))
	}
}

func (c *client) ask(format string, args ...any) string {
	c.t.Helper()
	c.send(fmt.Sprintf(format, args...) + "\r\n")
	return c.multi()
}
