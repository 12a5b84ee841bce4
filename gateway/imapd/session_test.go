package imapd_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// deflated is a client's connection after COMPRESS.
type deflated struct {
	net.Conn
	r io.Reader
	w *flate.Writer
	b bytes.Buffer // what w writes: a pipe waits for each write to be read
}

func newDeflated(c net.Conn) *deflated {
	d := &deflated{Conn: c, r: flate.NewReader(c)}
	d.w, _ = flate.NewWriter(&d.b, 6)
	return d
}

func (d *deflated) Read(p []byte) (int, error) { return d.r.Read(p) }

func (d *deflated) Write(p []byte) (int, error) {
	d.w.Write(p)
	d.w.Flush()
	_, err := d.b.WriteTo(d.Conn)
	return len(p), err
}

func TestCompressedSession(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{TLS: testTLS()}, store)
	c := login(t, s, "bob@example.test")
	c.has(c.ok("CAPABILITY"), " COMPRESS=DEFLATE")
	c.ok("COMPRESS DEFLATE")
	c.Conn = newDeflated(c.Conn)
	c.r = bufio.NewReader(c.Conn)
	c.fails("COMPRESS DEFLATE", "NO [COMPRESSIONACTIVE]")
	if caps := c.ok("CAPABILITY"); strings.Contains(caps, "COMPRESS") {
		t.Error(caps)
	}
	body := strings.Repeat("Subject: compressed\r\n", 3000)
	c.ok("APPEND INBOX {63000+}\r\n" + body)
	c.ok("SELECT INBOX")
	c.has(c.ok("FETCH 1 RFC822.SIZE"), "RFC822.SIZE 63000")
	c.send("i IDLE\r\n")
	c.expect("+ ")
	login(t, s, "bob@example.test").ok("APPEND INBOX {3+}\r\nabc")
	c.expect("* 2 EXISTS")
	c.expect("* 2 RECENT")
	c.send("DONE\r\n")
	c.expect("i OK")
}

func TestSessionsOfAUserAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, imapd.Options{Limits: imapd.Limits{Sessions: 2}}, openStore(t, mailbox.Options{}))
	a := login(t, s, "bob@example.test")
	login(t, s, "bob@example.test")
	c := dial(t, s)
	c.fails("LOGIN bob@example.test secret", "NO [LIMIT]")
	c.ok("LOGIN eve@example.test secret")
	a.ok("LOGOUT")
	a.gone()
	<-a.done
	login(t, s, "bob@example.test")
}

// TestChannelBinding: a client that binds itself to the TLS connection logs in
// to the accounts of the gateway.
func TestChannelBinding(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	opt := account.DefaultOptions()
	opt.SCRAM, opt.Iterations = true, account.MinIterations
	a, err := account.Open(ctx, opt, account.Deps{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.AddUser(ctx, account.User{Name: "bob@example.test"}, "correct horse"); err != nil {
		t.Fatal(err)
	}
	s, err := imapd.New(imapd.Options{Listener: "imap", Hostname: "x", TLS: testTLS()}, imapd.Deps{Accounts: a, Store: openStore(t, mailbox.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	c := dialSilent(t, s)
	c.expect("* OK")
	c.ok("STARTTLS")
	c.startTLS()
	c.has(c.ok("CAPABILITY"), " AUTH=SCRAM-SHA-256-PLUS ")
	state := c.Conn.(*tls.Conn).ConnectionState()
	binding, err := scram.NewTLSExporterBinding(&state)
	if err != nil {
		t.Fatal(err)
	}
	client, err := scram.SHA256.NewClient("bob@example.test", "correct horse", "")
	if err != nil {
		t.Fatal(err)
	}
	conv := client.NewConversationWithChannelBinding(binding)
	first, err := conv.Step("")
	if err != nil {
		t.Fatal(err)
	}
	c.send("a AUTHENTICATE SCRAM-SHA-256-PLUS " + base64.StdEncoding.EncodeToString([]byte(first)) + "\r\n")
	for !conv.Done() {
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.expect("+ "), "+ "))
		if err != nil {
			t.Fatal(err)
		}
		step, err := conv.Step(string(challenge))
		if err != nil {
			t.Fatal(err)
		}
		c.send(base64.StdEncoding.EncodeToString([]byte(step)) + "\r\n")
	}
	c.expect("a OK [CAPABILITY ")
	c.ok("LIST \"\" *")
}
