package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/test/peers"
)

// peer is a client of somebody else's making that sends one message to
// alice@dest.test.
type peer struct {
	name string
	send func(t *testing.T, g *gapura, msg string)
}

// senders are asked to send over each listener that they can use.
var senders = []peer{
	{"go-smtp", func(t *testing.T, g *gapura, msg string) { goSMTP(t, g.smtp, nil, msg) }},
	{"go-smtp with STARTTLS", func(t *testing.T, g *gapura, msg string) { goSMTP(t, g.smtp, trusting(gapuraName), msg) }},
	{"go-smtp over LMTP", goLMTP},
	{"swaks", func(t *testing.T, g *gapura, msg string) { swaks(t, msg, "--server", g.smtp) }},
	{"swaks with pipelining", func(t *testing.T, g *gapura, msg string) { swaks(t, msg, "--server", g.smtp, "--pipeline") }},
	{"swaks with STARTTLS", func(t *testing.T, g *gapura, msg string) {
		swaks(t, msg, "--server", g.smtp, "--tls", "--tls-verify", "--tls-ca-path", filepath.Join(g.dir, "ca.pem"))
	}},
	{"swaks over LMTP", func(t *testing.T, g *gapura, msg string) { swaks(t, msg, "--protocol", "LMTP", "--socket", g.lmtp) }},
	{"swaks with PROXY v1", func(t *testing.T, g *gapura, msg string) {
		swaks(t, msg, "--server", g.proxied, "--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", senderNet, "--proxy-source-port", "99", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25")
	}},
	{"swaks with PROXY v2", func(t *testing.T, g *gapura, msg string) {
		swaks(t, msg, "--server", g.proxied, "--proxy-version", "2", "--proxy-family", "AF_INET", "--proxy-source", senderNet, "--proxy-source-port", "99", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25", "--proxy-protocol", "STREAM", "--proxy-command", "PROXY")
	}},
	{"swaks with XCLIENT", func(t *testing.T, g *gapura, msg string) {
		swaks(t, msg, "--server", g.xclient, "--xclient-addr", senderNet, "--xclient-name", "mail.sender.test")
	}},
	{"curl", func(t *testing.T, g *gapura, msg string) { curl(t, g, msg) }},
	{"curl with STARTTLS", func(t *testing.T, g *gapura, msg string) {
		curl(t, g, msg, "--ssl-reqd", "--cacert", filepath.Join(g.dir, "ca.pem"))
	}},
	{"smtplib", func(t *testing.T, g *gapura, msg string) { pythonWith(t, msg, smtplibScript, "smtp", g.smtp) }},
	{"smtplib with STARTTLS", func(t *testing.T, g *gapura, msg string) {
		pythonWith(t, msg, smtplibScript, "starttls", g.smtp, filepath.Join(g.dir, "ca.pem"))
	}},
	{"smtplib over LMTP", func(t *testing.T, g *gapura, msg string) { pythonWith(t, msg, smtplibScript, "lmtp", g.lmtp) }},
	{"Postfix", func(t *testing.T, g *gapura, msg string) { throughPostfix(t, g, msg, "none") }},
	{"Postfix with STARTTLS", func(t *testing.T, g *gapura, msg string) { throughPostfix(t, g, msg, "encrypt") }},
}

// TestClientsOfOthersInteroperate: each of them, with a go-smtp server behind
// us in plaintext and with STARTTLS.
func TestClientsOfOthersInteroperate(t *testing.T) {
	t.Parallel()
	cert, key, err := ca().issue("backend.test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	plain := startBackend(t, nil)
	secure := startBackend(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	for name, x := range map[string]struct {
		b    *backend
		rest string
	}{
		"plaintext": {plain, domainsYAML("", fmt.Sprintf("%q", "smtp://"+plain.addr))},
		"STARTTLS":  {secure, domainsYAML(", tls: {ca: ca.pem, name: backend.test}", fmt.Sprintf("%q", "smtp+starttls://"+secure.addr))},
	} {
		g := serve(t, x.rest)
		for _, p := range senders {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				l := newLetter()
				l.plainly = true // 7-bit: smtplib and curl say no BODY=8BITMIME
				l.body = "One line.\r\n.\r\n..\r\n.Dots.\r\n\r\n" + strings.Repeat("More text.\r\n", 1000)
				p.send(t, g, l.String())
				var got []string
				eventually(t, "arrival", func() bool { got = x.b.find(l.mark); return len(got) > 0 })
				if len(got) != 1 {
					t.Errorf("%d copies", len(got))
				}
				arrivedWhole(t, got[0], l.String())
			})
		}
	}
}

func goSMTP(t *testing.T, addr string, config *tls.Config, msg string) {
	c, err := gosmtp.Dial(addr)
	if config != nil && err == nil {
		c.Close()
		c, err = gosmtp.DialStartTLS(addr, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SendMail("ann@sender.test", []string{"alice@dest.test"}, strings.NewReader(msg)); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

func goLMTP(t *testing.T, g *gapura, msg string) {
	conn, err := net.Dial("unix", g.lmtp)
	if err != nil {
		t.Fatal(err)
	}
	c := gosmtp.NewClientLMTP(conn)
	defer c.Close()
	if err := c.SendMail("ann@sender.test", []string{"alice@dest.test"}, strings.NewReader(msg)); err != nil {
		t.Fatal(err)
	}
}

func swaks(t *testing.T, msg string, args ...string) {
	args = append([]string{"--to", "alice@dest.test"}, args...) // the last counts
	args = append(args, "--from", "ann@sender.test", "--helo", "mail.sender.test", "--data", "-", "--no-data-fixup", "--timeout", "30")
	if out, err := runTool(t, stuffed(msg)+".", "swaks", args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func curl(t *testing.T, g *gapura, msg string, args ...string) {
	_, port, _ := net.SplitHostPort(g.smtp)
	args = append(args, "-sS", "smtp://"+gapuraName+":"+port+"/mail.sender.test", "--resolve", gapuraName+":"+port+":127.0.0.1",
		"--mail-from", "ann@sender.test", "--mail-rcpt", "alice@dest.test", "-T", "-", "--max-time", "30")
	if out, err := runTool(t, msg, "curl", args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const smtplibScript = `import sys, smtplib, ssl
kind, addr = sys.argv[1:3]
host, _, port = addr.rpartition(':')
if kind == 'lmtp': s = smtplib.LMTP(addr)
else: s = smtplib.SMTP(host, int(port), local_hostname='mail.sender.test')
if kind == 'starttls':
    s._host = '` + gapuraName + `'
    s.starttls(context=ssl.create_default_context(cafile=sys.argv[3]))
s.ehlo_or_helo_if_needed()
bad = s.sendmail('ann@sender.test', ['alice@dest.test'], sys.stdin.buffer.read())
s.quit()
if bad: sys.exit(repr(bad))
`

func throughPostfix(t *testing.T, g *gapura, msg, level string) {
	a := sendingPostfix(t, g.smtp, "smtp_tls_security_level = "+level+"\n")
	if r := dial(t, a.addr).mail("ann@sender.test", "alice@dest.test", msg); r.code != 250 {
		t.Fatal(r)
	}
	eventually(t, "the queue of the sender to be empty", func() bool { return a.queued() == 0 })
}

// TestSMTPSourceThroughUsToSMTPSink: 500 messages in 20 sessions, none lost
// and none twice; both ends are Postfix's load tools.
func TestSMTPSourceThroughUsToSMTPSink(t *testing.T) {
	t.Parallel()
	source, sink := tool(t, "smtp-source"), tool(t, "smtp-sink")
	for _, lmtp := range []bool{false, true} {
		t.Run(fmt.Sprintf("LMTP=%t", lmtp), func(t *testing.T) {
			port, err := peers.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			dir := folder(t)
			if err := ownedDir(filepath.Join(dir, "mail"), "nobody"); err != nil {
				missing(t, "%v", err)
			}
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			args := []string{"-u", "nobody", "-d", filepath.Join(dir, "mail", "%M."), addr, "128"}
			scheme := "smtp"
			if lmtp {
				args, scheme = append([]string{"-L"}, args...), "lmtp"
			}
			cmd := exec.Command(sink, args...)
			cmd.Env = append(os.Environ(), "MAIL_CONFIG="+emptyPostfix(t))
			p, err := start("smtp-sink", cmd)
			if err != nil {
				t.Fatal(err)
			}
			p.showOnFailure(t)
			t.Cleanup(p.stop)
			if err := p.awaitPort(addr); err != nil {
				t.Fatal(err)
			}
			g := serve(t, domainsYAML("", fmt.Sprintf("%q", scheme+"://"+addr)))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			load := exec.CommandContext(ctx, source, "-s", "20", "-m", "500", "-l", "4096", "-f", "ann@sender.test", "-t", "alice@dest.test", g.smtp)
			load.Env = cmd.Env
			if out, err := load.CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("smtp-source: %v %s", err, out)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "mail", "*"))
			full := 0
			for _, f := range files {
				if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "by "+gapuraName) {
					full++
				}
			}
			if full != 500 {
				t.Errorf("%d messages in %d files; want 500", full, len(files))
			}
			if n := g.metric("gapura_smtp_connections_open", `listener="smtp"`); n != 0 {
				t.Errorf("%v connections are open at the end", n)
			}
		})
	}
}

// emptyPostfix is a configuration for Postfix's tools, which want one.
func emptyPostfix(t *testing.T) string {
	dir := folder(t)
	if _, err := write(dir, "main.cf", "compatibility_level = 3.6\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mail.sender.test\n"); err != nil {
		t.Fatal(err)
	}
	return dir
}
