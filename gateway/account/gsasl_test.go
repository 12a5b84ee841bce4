package account

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// serveAuth speaks as much SMTP as a client needs to log in.
func serveAuth(a *Accounts, raw net.Conn, cfg *tls.Config, ids chan<- Identity) error {
	defer raw.Close()
	var conn net.Conn = raw
	p := peer
	p.TLS = nil
	fmt.Fprint(conn, "220 mx.example.org ESMTP\r\n")
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			fmt.Fprintf(conn, "250-mx.example.org\r\n250-STARTTLS\r\n250 AUTH %s\r\n", strings.Join(a.Mechanisms(p), " "))
		case "STARTTLS":
			fmt.Fprint(conn, "220 go\r\n")
			s := tls.Server(raw, cfg)
			if err := s.Handshake(); err != nil {
				return err
			}
			state := s.ConnectionState()
			conn, in, p.TLS, p.Certificate = s, bufio.NewReader(s), &state, cfg.Certificates[0].Certificate[0]
		case "AUTH":
			mech, first, _ := strings.Cut(rest, " ")
			var initial []byte
			if first != "" {
				initial, _ = base64.StdEncoding.DecodeString(first)
			}
			id, err := a.Authenticate(context.Background(), p, mech, initial, func(c []byte) ([]byte, error) {
				fmt.Fprintf(conn, "334 %s\r\n", base64.StdEncoding.EncodeToString(c))
				line, err := in.ReadString('\n')
				if err != nil {
					return nil, err
				}
				return base64.StdEncoding.DecodeString(strings.TrimSpace(line))
			})
			if err != nil {
				fmt.Fprint(conn, "535 5.7.8 no\r\n")
				continue
			}
			ids <- id
			fmt.Fprint(conn, "235 2.7.0 yes\r\n")
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return nil
		default:
			fmt.Fprint(conn, "500 what\r\n")
		}
	}
}

// TestGNUSASL: a client that nobody here wrote logs in, bound to the channel
// too, and believes us.
func TestGNUSASL(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("gsasl")
	if err != nil {
		peers.Missing(t, "gsasl")
	}
	a := openWith(t, testOptions())
	pair := serverPair(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pair.cert, 0o600))
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	must(t, err)
	for _, c := range []struct {
		mech, password string
		version        uint16
		ok             bool
	}{
		{"SCRAM-SHA-256-PLUS", anaPass, tls.VersionTLS13, true},
		{"SCRAM-SHA-256-PLUS", anaPass, tls.VersionTLS12, true},
		{"SCRAM-SHA-256", anaPass, tls.VersionTLS13, true},
		{"PLAIN", anaPass, tls.VersionTLS13, true},
		{"LOGIN", anaPass, tls.VersionTLS13, true},
		{"SCRAM-SHA-256-PLUS", "a wrong password", tls.VersionTLS13, false},
		{"PLAIN", "a wrong password", tls.VersionTLS13, false},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		ids, served := make(chan Identity, 1), make(chan struct{})
		go func() {
			defer close(served)
			conn, err := l.Accept()
			if err == nil {
				serveAuth(a, conn, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: c.version}, ids)
			}
		}()
		args := []string{
			"--smtp", "--connect=" + l.Addr().String(), "--starttls", "--x509-ca-file=" + ca, "--mechanism=" + c.mech,
			"--authentication-id=" + ana, "--authorization-id=", "--password=" + c.password,
		}
		if c.mech == "SCRAM-SHA-256" {
			args = append(args, "--no-cb") // else it would say that it could, and see a downgrade
		}
		cmd := exec.CommandContext(t.Context(), program, args...)
		in, err := cmd.StdinPipe()
		must(t, err)
		in.Close()
		out, err := cmd.CombinedOutput()
		l.Close()
		<-served
		close(ids)
		id, ok := <-ids
		if ok != c.ok || ok && (id.User != ana || id.Mechanism != c.mech) || (err == nil) != c.ok {
			t.Errorf("%+v: %+v, %v\n%s", c, id, err, out)
		}
	}
}
