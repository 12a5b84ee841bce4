package smtpd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

func TestDialogues(t *testing.T) {
	t.Parallel()
	runDialogues(t, func() (client, server net.Conn, err error) {
		client, server = net.Pipe()
		return client, addressed{server}, nil
	})
}

func TestDialoguesOverTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	runDialogues(t, func() (client, server net.Conn, err error) {
		mu.Lock()
		defer mu.Unlock()
		if client, err = net.Dial("tcp", l.Addr().String()); err == nil {
			server, err = l.Accept()
		}
		return client, server, err
	})
}

func runDialogues(t *testing.T, pair func() (client, server net.Conn, err error)) {
	files, err := filepath.Glob("../../testdata/dialogues/*.smtp")
	if err != nil || len(files) < 150 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".smtp"), func(t *testing.T) {
			t.Parallel()
			d, err := smtpdtest.Read(f)
			if err != nil {
				t.Fatal(err)
			}
			h := &smtpdtest.Handler{}
			s, err := smtpd.New(dialogueOptions(t, d), h)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			d.Run(t, smtpdtest.Target{
				Dial: func() (net.Conn, error) {
					client, server, err := pair()
					if err == nil {
						wg.Go(func() { s.ServeConn(server) })
					}
					return client, err
				},
				Messages: func() (list []string) {
					for _, m := range h.Messages() {
						list = append(list, m.Data)
					}
					return list
				},
				Wait: wg.Wait,
			})
			wg.Wait()
			if sessions, _, _ := h.Counts(); sessions != 0 {
				t.Errorf("%d sessions were not closed", sessions)
			}
		})
	}
}

// addressed is a connection from a named loopback address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:50000"))
}

func (addressed) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:25"))
}

func dialogueOptions(t *testing.T, d *smtpdtest.Dialogue) smtpd.Options {
	o := smtpd.Options{Protocol: "smtp", Hostname: "mx.example.test", TLS: testTLS()}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	loopbacks := []netip.Prefix{loopback}
	for name, value := range d.Options {
		switch name {
		case "handler":
		case "protocol":
			o.Protocol = value
		case "tls":
			if o.ImplicitTLS = value == "implicit"; value == "off" {
				o.TLS = nil
			}
		case "disable_extensions":
			o.Disable = strings.Fields(value)
		case "strict_syntax":
			o.StrictSyntax = value == "true"
		case "dsn":
			o.DSN = value == "true"
		case "requiretls":
			o.RequireTLS = value == "true"
		case "auth":
			o.Auth, o.RequireAuth = true, value == "required"
		case "priority":
			o.Priority = value == "true"
		case "deliver_by":
			o.DeliverBy = value == "true"
		case "future_release":
			o.FutureRelease = time.Duration(number(value)) * time.Second
		case "bare_line_ends":
			if err := o.BareLineEnds.UnmarshalText([]byte(value)); err != nil {
				t.Fatal(err)
			}
		case "nul":
			if err := o.NUL.UnmarshalText([]byte(value)); err != nil {
				t.Fatal(err)
			}
		case "proxy":
			o.ProxyFrom = loopbacks
		case "xclient":
			o.XClientFrom = loopbacks
		case "limits.message":
			o.Limits.Message = int64(number(value))
		case "limits.drain":
			o.Limits.Drain = int64(number(value))
		case "limits.recipients":
			o.Limits.Recipients = number(value)
		case "limits.idle_commands":
			o.Limits.IdleCommands = number(value)
		case "limits.errors":
			o.Limits.Errors = number(value)
		case "limits.failed_recipients":
			o.Limits.FailedRecipients = number(value)
		case "limits.transactions":
			o.Limits.Transactions = number(value)
		case "limits.text_line":
			o.Limits.TextLine = number(value)
		case "limits.command_line":
			o.Limits.CommandLine = number(value)
		default:
			t.Fatalf("unknown option %s", name)
		}
	}
	return o
}

// testTLS returns a server's configuration with a certificate made once.
var testTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.test"}, DNSNames: []string{"mx.example.test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }}
})

var loopback = netip.MustParsePrefix("127.0.0.0/8")
