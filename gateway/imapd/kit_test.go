package imapd_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accounts know every name, with the password "secret".
type accounts struct{}

func (accounts) Mechanisms(p account.Peer) []string {
	if p.TLS == nil {
		return nil
	}
	return []string{"PLAIN", "LOGIN"}
}

func (accounts) Authenticate(_ context.Context, p account.Peer, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (account.Identity, error) {
	var err error
	if initial == nil {
		if initial, err = ask(nil); err != nil {
			return account.Identity{}, fmt.Errorf("%w: %w", account.ErrExchange, err)
		}
	}
	var name, password string
	if mechanism == "LOGIN" {
		b, err := ask([]byte("Password:"))
		if err != nil {
			return account.Identity{}, fmt.Errorf("%w: %w", account.ErrExchange, err)
		}
		name, password = string(initial), string(b)
	} else {
		f := strings.Split(string(initial), "\x00")
		if len(f) != 3 {
			return account.Identity{}, account.ErrExchange
		}
		name, password = f[1], f[2]
	}
	switch {
	case p.Service != "imap":
		return account.Identity{}, errors.New("not imap")
	case name == "banned":
		return account.Identity{}, account.ErrThrottled
	case name == "away":
		return account.Identity{}, account.ErrTemporary
	case password != "secret":
		return account.Identity{}, account.ErrCredentials
	}
	return account.Identity{User: name}, nil
}

var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"mx.example.test"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func testTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{testCertificate()}} }

// openStore opens an empty store in a folder of its own.
func openStore(t testing.TB, opt mailbox.Options) *mailbox.Store {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs, err := blob.OpenFilesUse(ctx, blob.Options{Dir: filepath.Join(dir, "mail")}, mailbox.LiveBlobs(ctx, db))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	s, err := mailbox.Open(ctx, opt, mailbox.Deps{DB: db, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}

var loopbackElsewhere = []netip.Prefix{netip.MustParsePrefix("127.9.9.9/32")}

// newServer returns a server whose clients may log in in plaintext.
func newServer(t testing.TB, opt imapd.Options, store *mailbox.Store) *imapd.Server {
	t.Helper()
	opt.Listener, opt.Hostname = "imap", "mx.example.test"
	if opt.PlaintextFrom == nil {
		opt.PlaintextFrom = everywhere
	}
	s, err := imapd.New(opt, imapd.Deps{Accounts: accounts{}, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addressed is a connection from a named loopback address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:50000"))
}

func (addressed) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:143"))
}

// client is one end of a pipe to a server.
type client struct {
	net.Conn
	t    testing.TB
	r    *bufio.Reader
	done chan struct{} // closed when the server is done with it
	tag  int
}

// dial connects, and reads the greeting.
func dial(t testing.TB, s *imapd.Server) *client {
	t.Helper()
	c := dialSilent(t, s)
	c.expect("* OK [CAPABILITY ")
	return c
}

func dialSilent(t testing.TB, s *imapd.Server) *client {
	near, far := net.Pipe()
	c := &client{Conn: near, t: t, r: bufio.NewReader(near), done: make(chan struct{})}
	go func() {
		s.ServeConn(addressed{far})
		close(c.done)
	}()
	t.Cleanup(func() {
		near.Close()
		<-c.done
	})
	return c
}

// login connects and logs in.
func login(t testing.TB, s *imapd.Server, user string) *client {
	t.Helper()
	c := dial(t, s)
	c.ok("LOGIN " + user + " secret")
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatalf("sending %.60q: %v", s, err)
	}
}

// line reads a line, without its end.
func (c *client) line() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	l, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", l, err)
	}
	if !strings.HasSuffix(l, "\r\n") {
		c.t.Fatalf("%q does not end with CRLF", l)
	}
	return strings.TrimSuffix(l, "\r\n")
}

// expect reads a line that begins so.
func (c *client) expect(prefix string) string {
	c.t.Helper()
	l := c.line()
	if !strings.HasPrefix(l, prefix) {
		c.t.Fatalf("got %q, want %q", l, prefix)
	}
	return l
}

// cmd sends a command and returns all lines up to the tagged one, which is
// last, without its tag.
func (c *client) cmd(command string) []string {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("a%d ", c.tag)
	c.send(tag + command + "\r\n")
	return c.answer(tag)
}

func (c *client) answer(tag string) (lines []string) {
	c.t.Helper()
	for {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, tag); ok {
			return append(lines, rest)
		}
		lines = append(lines, l)
	}
}

// ok sends a command that must succeed; it returns the lines as one text.
func (c *client) ok(command string) string {
	c.t.Helper()
	l := c.cmd(command)
	if !strings.HasPrefix(l[len(l)-1], "OK") {
		c.t.Fatalf("%.80q: %q", command, l)
	}
	return strings.Join(l, "\n")
}

// fails sends a command whose tagged reply must begin so.
func (c *client) fails(command, want string) string {
	c.t.Helper()
	l := c.cmd(command)
	if !strings.HasPrefix(l[len(l)-1], want) {
		c.t.Fatalf("%.80q: got %q, want %q", command, l, want)
	}
	return strings.Join(l, "\n")
}

// gone expects the end of the connection.
func (c *client) gone() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Fatalf("%q, %v; want the end", rest, err)
	}
}

func (c *client) has(text, want string) {
	c.t.Helper()
	if !regexp.MustCompile("(?m)" + want).MatchString(text) {
		c.t.Errorf("%q does not match %q", text, want)
	}
}
