package smtpd_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// TestWhatHandlersAreTold: addresses by PROXY and XCLIENT, HELO, TLS.
func TestWhatHandlersAreTold(t *testing.T) {
	t.Parallel()
	h := &smtpdtest.Handler{}
	opt := smtpd.Options{TLS: testTLS()}
	opt.ProxyFrom = append(opt.ProxyFrom, loopback)
	opt.XClientFrom = append(opt.XClientFrom, netip.MustParsePrefix("192.0.2.1/32"))
	c := dial(t, newServer(t, opt, h))
	c.send("PROXY TCP4 192.0.2.1 192.0.2.2 1111 25\r\n")
	c.expect("220")
	c.send("EHLO first.example\r\n")
	c.expect("250")
	c.send("XCLIENT ADDR=IPV6:2001:db8::1 PORT=2222 NAME=x.example HELO=second.example PROTO=SMTP LOGIN=u+40x DESTADDR=192.0.2.3 DESTPORT=26\r\n")
	c.expect("220")
	c.send("STARTTLS\r\n")
	c.expect("220")
	inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	io.WriteString(inside, "EHLO third.example\r\n")
	b := make([]byte, 1000)
	if n, err := inside.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "250") {
		t.Fatal(err)
	}
	inside.Close()
	<-c.done
	infos := h.Infos()
	if len(infos) != 5 {
		t.Fatalf("%d calls", len(infos))
	}
	for i, want := range []struct {
		remote, local, helo, user string
		extended, tls             bool
	}{
		{"192.0.2.1:1111", "192.0.2.2:25", "", "", false, false},
		{"192.0.2.1:1111", "192.0.2.2:25", "first.example", "", true, false},
		{"[2001:db8::1]:2222", "192.0.2.3:26", "second.example", "u@x", false, false},
		{"[2001:db8::1]:2222", "192.0.2.3:26", "second.example", "u@x", false, false},
		{"[2001:db8::1]:2222", "192.0.2.3:26", "third.example", "", true, true},
	} {
		g := infos[i]
		if g.Remote.String() != want.remote || g.Local.String() != want.local || g.Helo != want.helo || g.User != want.user ||
			g.Extended != want.extended || (g.TLS != nil) != want.tls || g.Listener != "smtp" || g.Started.IsZero() {
			t.Errorf("%d: %+v, want %+v", i, g, want)
		}
	}
}

// TestXClientIsForNamedClients: behind a proxy the client counts; otherwise a
// proxy that may use XCLIENT would lend that to everybody.
func TestXClientIsForNamedClients(t *testing.T) {
	t.Parallel()
	for client, code := range map[string]string{"192.0.2.1": "550", "127.0.0.9": "220"} {
		opt := smtpd.Options{ProxyFrom: []netip.Prefix{loopback}, XClientFrom: []netip.Prefix{loopback}}
		c := dial(t, newServer(t, opt, &smtpdtest.Handler{}))
		c.send("PROXY TCP4 " + client + " 127.0.0.1 1 1\r\n")
		c.hello()
		c.send("XCLIENT ADDR=192.0.2.3\r\n")
		c.expect(code)
		c.send("QUIT\r\n")
		c.expect("221")
		c.expectEnd()
	}
}

// TestXClientBringsNoControlCharacters, whatever xtext can write.
func TestXClientBringsNoControlCharacters(t *testing.T) {
	t.Parallel()
	opt := smtpd.Options{XClientFrom: []netip.Prefix{loopback}}
	h := &smtpdtest.Handler{}
	c := dial(t, newServer(t, opt, h))
	c.hello()
	for _, bad := range []string{"HELO=a+0D+0AX-Evil:b", "HELO=a+20b", "LOGIN=a+0D+0Ab", "LOGIN=a+00", "ADDR=IPV6:fe80::1%eth0"} {
		c.send("XCLIENT ADDR=192.0.2.3 " + bad + "\r\n")
		c.expect("501")
	}
	if n := len(h.Infos()); n != 2 {
		t.Errorf("%d calls", n)
	}
}

// TestSNI: the certificate follows the name that the client asks for.
func TestSNI(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	base := testTLS()
	cfg := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, hello.ServerName)
		return base.GetCertificate(hello)
	}}
	s := newServer(t, smtpd.Options{TLS: cfg, ImplicitTLS: true}, &smtpdtest.Handler{})
	for _, name := range []string{"a.example", "b.example"} {
		a, b := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { s.ServeConn(b) })
		c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if _, err := c.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		a.Close()
		wg.Wait()
	}
	if strings.Join(asked, " ") != "a.example b.example" {
		t.Error(asked)
	}
}

// TestSessionsEndWithTheirConnections, however those end.
func TestSessionsEndWithTheirConnections(t *testing.T) {
	t.Parallel()
	h := &smtpdtest.Handler{}
	s := newServer(t, smtpd.Options{TLS: testTLS()}, h)
	for _, say := range []string{"", "EHLO x\r\n", "EHLO x\r\nMAIL FROM:<a@b.example>\r\n", "EHLO x\r\nSTARTTLS\r\n", "EHLO", "\x00", "QUIT\r\n"} {
		c := dial(t, s)
		c.expect("220")
		go io.ReadAll(c.r)
		c.send(say)
		c.Close()
		<-c.done
	}
	if sessions, resets, _ := h.Counts(); sessions != 0 || resets != 1 {
		t.Errorf("%d sessions, %d resets", sessions, resets)
	}
}

// TestPanicInTheHandshake costs the connection and nothing else.
func TestPanicInTheHandshake(t *testing.T) {
	t.Parallel()
	cfg := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("no") }}
	s := newServer(t, smtpd.Options{TLS: cfg}, &smtpdtest.Handler{})
	for range 2 {
		c := dial(t, s)
		c.hello()
		c.send("STARTTLS\r\n")
		c.expect("220")
		inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
		if err := inside.Handshake(); err == nil {
			t.Error("TLS without a certificate")
		}
		<-c.done
	}
}
